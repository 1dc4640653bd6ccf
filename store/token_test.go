package store

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However many spend a token at once, it is spent as often as it has uses, and
// every other caller is told so.
func TestSpendTokenConcurrently(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, uses := range []int{1, 3} {
			id := token(t, d, uses)
			spent := 0
			for _, err := range parallel(1000, func(int) error {
				return update(d, func(tx *Tx) { tx.SpendToken(id) })
			}) {
				if err == nil {
					spent++
					continue
				}
				require.ErrorIs(t, err, ErrSpent)
			}
			require.Equal(t, uses, spent)
			k, err := d.Token(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, uses, k.Uses)
		}
		verify(t, d)
	})
}

// A token is worth nothing unknown, out of time or revoked.
func TestSpendTokenRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		late, revoked := TokenID{1}, TokenID{2}
		must(t, d, func(tx *Tx) {
			tx.InsertToken(Token{ID: late, Role: "device", Name: "*", MaxUses: 1, Expires: time.Now()})
			tx.InsertToken(Token{ID: revoked, Role: "device", Name: "*", MaxUses: 1, Expires: time.Now().Add(time.Hour)})
			tx.RevokeToken(revoked)
		})
		for _, id := range []TokenID{late, revoked, {3}} {
			require.ErrorIs(t, update(d, func(tx *Tx) { tx.SpendToken(id) }), ErrSpent, "%s", id)
		}
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.RevokeToken(TokenID{3}) }), ErrNotFound)
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertToken(Token{ID: late}) }), ErrExists)
	})
}

// A token is good up to the millisecond before its end, by the transaction's time, and
// not at it; what is refused has taken no use. The list of those that can still be used
// says the same.
func TestSpendTokenInTime(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		made := time.UnixMilli(time.Now().UnixMilli()).UTC()
		ends := made.Add(time.Hour)
		now := made
		d.cfg.Now = func() time.Time { return now }
		id := TokenID{1}
		must(t, d, func(tx *Tx) {
			tx.InsertToken(Token{ID: id, Role: "device", Name: "*", MaxUses: 9, Expires: ends})
		})
		for _, tt := range []struct {
			at   time.Time
			want error
		}{
			{made, nil}, {ends.Add(-time.Millisecond), nil}, {ends, ErrSpent}, {ends.Add(time.Millisecond), ErrSpent}, {ends.Add(time.Hour), ErrSpent},
		} {
			now = tt.at
			before, err := d.Token(t.Context(), id)
			require.NoError(t, err)
			require.ErrorIs(t, update(d, func(tx *Tx) { tx.SpendToken(id) }), tt.want, "%s after its making", tt.at.Sub(made))
			after, err := d.Token(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, tt.want == nil, after.Uses == before.Uses+1, "%s after its making", tt.at.Sub(made))
			open, _, err := d.Tokens(t.Context(), TokenFilter{Open: true}, Page{})
			require.NoError(t, err)
			require.Equal(t, tt.want == nil, len(open) == 1, "the list of tokens that can be used, %s after its making", tt.at.Sub(made))
		}
	})
}

// Of tokens that can still be used the list leaves none out, be it as old as a token
// can be; and what is no longer of that age it does not look at.
func TestOpenTokensOfAge(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		made := time.UnixMilli(time.Now().UnixMilli()).UTC()
		now := made
		d.cfg.Now = func() time.Time { return now }
		must(t, d, func(tx *Tx) {
			tx.InsertToken(Token{ID: TokenID{1}, Role: "device", Name: "*", MaxUses: 1, Expires: made.Add(MaxTokenLife)})
		})
		now = made.Add(MaxTokenLife - time.Millisecond)
		must(t, d, func(tx *Tx) {
			for i := range tokenWindow + 10 { // more than one call looks at
				tx.InsertToken(Token{ID: TokenID{2, byte(i >> 8), byte(i)}, Role: "device", Name: "*", MaxUses: 1, Expires: now})
			}
		})
		var open []TokenID
		calls := 0
		for after := ""; ; calls++ {
			tokens, next, err := d.Tokens(t.Context(), TokenFilter{Open: true}, Page{After: after})
			require.NoError(t, err)
			for _, k := range tokens {
				open = append(open, k.ID)
			}
			if after = next; next == "" {
				break
			}
		}
		require.Equal(t, []TokenID{{1}}, open, "a token that can be used is not on the list")
		require.Equal(t, 1, calls)
		now = made.Add(2 * MaxTokenLife)
		tokens, next, err := d.Tokens(t.Context(), TokenFilter{Open: true}, Page{})
		require.NoError(t, err)
		require.Empty(t, tokens)
		require.Empty(t, next, "the list goes on where no token can be used any more")
	})
}

// What is written of a token is what is read; the holder comes with a token for
// exactly one identity, and with no other.
func TestTokenHolder(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		exact := Token{
			ID: TokenID{1}, Hash: [32]byte{2}, Role: "device", Name: "SN-1", Exact: true, MaxUses: 2, Expires: now.Add(time.Hour), Created: now,
			Network: netip.MustParsePrefix("10.0.0.0/8"), SPKI: []byte{3}, Sealed: []byte{4}, Replace: true, Owner: "ward 3", CreatedBy: "uid:0",
		}
		pattern := Token{ID: TokenID{2}, Role: "device", Name: "SN-*", MaxUses: 1, Expires: now.Add(time.Hour), Created: now}
		d.cfg.Now = func() time.Time { return now }
		must(t, d, func(tx *Tx) {
			tx.InsertToken(exact)
			tx.InsertToken(pattern)
		})

		got, holder, err := d.TokenHolder(t.Context(), exact.ID)
		require.NoError(t, err)
		require.Equal(t, exact, got)
		require.Nil(t, holder) // nobody of that name yet

		identity(t, d, "device/SN-1")
		_, holder, err = d.TokenHolder(t.Context(), exact.ID)
		require.NoError(t, err)
		require.Equal(t, "device/SN-1", holder.Path)

		got, holder, err = d.TokenHolder(t.Context(), pattern.ID)
		require.NoError(t, err)
		require.Equal(t, pattern, got)
		require.Nil(t, holder)

		_, _, err = d.TokenHolder(t.Context(), TokenID{9})
		require.ErrorIs(t, err, ErrNotFound)

		must(t, d, func(tx *Tx) { tx.RevokeTokens("device/SN-1") })
		got, err = d.Token(t.Context(), exact.ID)
		require.NoError(t, err)
		require.Equal(t, &now, got.Revoked)
		got, err = d.Token(t.Context(), pattern.ID)
		require.NoError(t, err)
		require.Nil(t, got.Revoked) // a pattern is nobody's
	})
}

// Each filter finds what it says and nothing else, the newest first.
func TestTokenFilter(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Now()
		for i, k := range []Token{
			{Role: "device", Name: "*", Expires: now.Add(time.Hour)},
			{Role: "device", Name: "a", Exact: true, Expires: now.Add(time.Hour)},
			{Role: "gateway", Name: "a", Exact: true, Expires: now.Add(time.Hour)},
			{Role: "device", Name: "a", Exact: true, Expires: now.Add(-time.Hour)},
			{Role: "device", Name: "b", Exact: true, Expires: now.Add(time.Hour)}, // spent below
			{Role: "device", Name: "b", Exact: true, Expires: now.Add(time.Hour)}, // revoked below
		} {
			k.ID, k.MaxUses = TokenID{byte(i + 1)}, 1
			d.cfg.Now = func() time.Time { return now.Add(time.Duration(i) * time.Millisecond) }
			must(t, d, func(tx *Tx) { tx.InsertToken(k) })
		}
		must(t, d, func(tx *Tx) {
			tx.SpendToken(TokenID{5})
			tx.RevokeToken(TokenID{6})
		})
		for _, tt := range []struct {
			filter TokenFilter
			want   []byte
		}{
			{TokenFilter{}, []byte{6, 5, 4, 3, 2, 1}},
			{TokenFilter{Open: true}, []byte{3, 2, 1}},
			{TokenFilter{Role: "gateway"}, []byte{3}},
			{TokenFilter{Role: "device", Open: true}, []byte{2, 1}},
			{TokenFilter{Role: "device", Name: "a"}, []byte{4, 2}},
			{TokenFilter{Role: "device", Name: "a", Open: true}, []byte{2}},
			{TokenFilter{Role: "device", Name: "b", Open: true}, nil},
		} {
			var got []byte
			for after := ""; ; {
				tokens, next, err := d.Tokens(t.Context(), tt.filter, Page{After: after, Limit: 1})
				require.NoError(t, err)
				for _, k := range tokens {
					got = append(got, k.ID[0])
				}
				if after = next; next == "" {
					break
				}
			}
			require.Equal(t, tt.want, got, "%+v", tt.filter)
		}
	})
}
