package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// Whoever follows the cursors sees every record that was there at the beginning
// exactly once and in order, while others are inserted.
func TestPagingIsStable(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		n := 3000
		if underRace {
			n = 1000
		}
		for i := range n / 500 {
			must(t, d, func(tx *Tx) {
				for j := range 500 {
					k := i*500 + j
					tx.CreateIdentity(Identity{Path: device(2 * k), Role: "device", Name: device(2 * k)[7:], Owner: "o", State: Active})
					newToken(tx, 1)
				}
			})
		}
		for range n / 500 {
			must(t, d, func(tx *Tx) {
				for range 500 {
					tx.InsertCertificate(certificate(device(0)))
				}
			})
		}
		for _, err := range parallel(n-int(d.LogSize()), func(int) error { return update(d, func(*Tx) {}) }) {
			require.NoError(t, err)
		}
		inserted := n
		insert := func() { // on both sides of wherever the reader is
			for range 3 {
				inserted++
				must(t, d, func(tx *Tx) {
					k := 2*(inserted*7919%n) + 1
					tx.CreateIdentity(Identity{Path: device(k) + fmt.Sprint("-", inserted), Role: "device", Name: device(k)[7:] + fmt.Sprint("-", inserted), Owner: "o", State: Active})
					newToken(tx, 1)
					tx.InsertCertificate(certificate(device(0)))
				})
			}
		}
		for _, list := range []struct {
			name string
			page func(Page) (keys []string, next string, err error)
		}{
			{"identities", identityPages(d, IdentityFilter{})},
			{"identities of a role", identityPages(d, IdentityFilter{Role: "device"})},
			{"identities of an owner", identityPages(d, IdentityFilter{Owner: "o"})},
			{"identities by name", identityPages(d, IdentityFilter{Search: "SN-0"})},
			{"certificates", certificatePages(d, CertificateFilter{})},
			{"certificates of an identity", certificatePages(d, CertificateFilter{Identity: device(0)})},
			{"live certificates", certificatePages(d, CertificateFilter{Live: true})},
			{"live certificates of an identity", certificatePages(d, CertificateFilter{Live: true, Identity: device(0)})},
			{"tokens", func(p Page) (keys []string, next string, err error) {
				tokens, next, err := d.Tokens(t.Context(), TokenFilter{}, p)
				for _, k := range tokens {
					keys = append(keys, k.ID.String())
				}
				return keys, next, err
			}},
			{"log", entryPages(d, AuditFilter{})},
			{"log of a party", entryPages(d, AuditFilter{Actor: "uid:0"})},
			{"log of an action", entryPages(d, AuditFilter{Action: "test.write"})},
		} {
			t.Run(list.name, func(t *testing.T) {
				want := collect(t, list.page, 1000, func() {})
				require.GreaterOrEqual(t, len(want), n)
				got := collect(t, list.page, 170, insert)
				seen := map[string]int{}
				for _, key := range got {
					seen[key]++
					require.Equal(t, 1, seen[key], key)
				}
				were := slices.DeleteFunc(got, func(key string) bool { return !slices.Contains(want, key) })
				require.Equal(t, want, were)
			})
		}
	})
}

// A cursor that this store never gave out is refused.
func TestBadCursor(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, after := range []string{"!", "AA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			_, _, err := d.Certificates(t.Context(), CertificateFilter{}, Page{After: after})
			require.ErrorIs(t, err, ErrBadCursor)
			_, _, err = d.Tokens(t.Context(), TokenFilter{}, Page{After: after})
			require.ErrorIs(t, err, ErrBadCursor)
			_, _, err = d.AuditEntries(t.Context(), AuditFilter{}, Page{After: after})
			require.ErrorIs(t, err, ErrBadCursor)
		}
		_, _, err := d.Identities(t.Context(), IdentityFilter{}, Page{After: "!"})
		require.ErrorIs(t, err, ErrBadCursor)
	})
}

// Each filter finds what it says and nothing else.
func TestIdentityFilter(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, id := range []Identity{
			{Path: "device/SN-1", Owner: "ward 3", State: Active},
			{Path: "device/SN-10", Owner: "ward 3", State: Suspended},
			{Path: "device/SN-2", Owner: "ward 4", State: Suspended},
			{Path: "device/pump", Owner: "ward 4", State: Pending},
			{Path: "gateway/SN-1", State: Active},
			{Path: "devices/SN-1", State: Active},
		} {
			id.Role, id.Name = splitPath(id.Path)
			must(t, d, func(tx *Tx) { tx.CreateIdentity(id) })
		}
		for _, tt := range []struct {
			filter IdentityFilter
			want   []string
		}{
			{IdentityFilter{}, []string{"device/SN-1", "device/SN-10", "device/SN-2", "device/pump", "devices/SN-1", "gateway/SN-1"}},
			{IdentityFilter{Role: "device"}, []string{"device/SN-1", "device/SN-10", "device/SN-2", "device/pump"}},
			{IdentityFilter{Role: "device", Search: "SN-1"}, []string{"device/SN-1", "device/SN-10"}},
			{IdentityFilter{Role: "device", State: Active}, []string{"device/SN-1"}},
			{IdentityFilter{Owner: "ward 3"}, []string{"device/SN-1", "device/SN-10"}},
			{IdentityFilter{Owner: "ward 3", State: Suspended, Role: "device", Search: "SN"}, []string{"device/SN-10"}},
			{IdentityFilter{Search: "SN-1"}, []string{"device/SN-1", "devices/SN-1", "gateway/SN-1", "device/SN-10"}},
			{IdentityFilter{Search: "SN-1", State: Active}, []string{"device/SN-1", "devices/SN-1", "gateway/SN-1"}},
			{IdentityFilter{State: Pending}, []string{"device/pump"}},
			{IdentityFilter{Role: "device", State: Suspended}, []string{"device/SN-10", "device/SN-2"}},
			{IdentityFilter{Role: "device", State: Suspended, Search: "SN-2"}, []string{"device/SN-2"}},
			{IdentityFilter{Role: "devices", State: Suspended}, nil},
			{IdentityFilter{State: Active}, []string{"device/SN-1", "devices/SN-1", "gateway/SN-1"}},
			{IdentityFilter{State: Revoked}, nil},
		} {
			for _, limit := range []int{1, 2, 100} {
				next := identityPages(d, tt.filter)
				require.Equal(t, tt.want, collect(t, next, limit, func() {}), "%+v by %d", tt.filter, limit)
			}
		}
	})
}

func identityPages(d *DB, f IdentityFilter) func(Page) ([]string, string, error) {
	return func(p Page) (keys []string, next string, err error) {
		ids, next, err := d.Identities(context.Background(), f, p)
		for _, id := range ids {
			keys = append(keys, id.Path)
		}
		return keys, next, err
	}
}

func certificatePages(d *DB, f CertificateFilter) func(Page) ([]string, string, error) {
	return func(p Page) (keys []string, next string, err error) {
		certs, next, err := d.Certificates(context.Background(), f, p)
		for _, c := range certs {
			keys = append(keys, c.Serial.String())
		}
		return keys, next, err
	}
}

func entryPages(d *DB, f AuditFilter) func(Page) ([]string, string, error) {
	return func(p Page) (keys []string, next string, err error) {
		var entries []audit.Entry
		entries, next, err = d.AuditEntries(context.Background(), f, p)
		for _, e := range entries {
			keys = append(keys, fmt.Sprint(e.Seq))
		}
		return keys, next, err
	}
}

// collect follows the cursors to the end.
func collect(t *testing.T, page func(Page) ([]string, string, error), limit int, between func()) []string {
	var all []string
	for after := ""; ; {
		keys, next, err := page(Page{After: after, Limit: limit})
		require.NoError(t, err)
		require.LessOrEqual(t, len(keys), limit)
		all = append(all, keys...)
		if next == "" {
			return all
		}
		after = next
		between()
	}
}

// However many tokens match nothing, a call looks at a bounded number of them, and
// whoever follows the cursors sees all that match.
func TestTokensWindow(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		want := token(t, d, 1)
		must(t, d, func(tx *Tx) {
			for range 2*tokenWindow + 10 {
				spent := newToken(tx, 1)
				tx.demand(1, nil, `UPDATE tokens SET uses = 1, role = 'service', created_at = created_at + $1 WHERE id = $2`, 1+len(tx.demands)%3, spent[:])
			}
		})
		for _, f := range []TokenFilter{{Open: true}, {Role: "device"}} {
			var found []TokenID
			var p Page
			parts := 0
			for ; parts == 0 || p.After != ""; parts++ {
				tokens, next, err := d.Tokens(t.Context(), f, p)
				require.NoError(t, err)
				for _, k := range tokens {
					found = append(found, k.ID)
				}
				p.After = next
			}
			require.Equal(t, []TokenID{want}, found)
			require.Equal(t, 3, parts)
		}
		all, next, err := d.Tokens(t.Context(), TokenFilter{Role: "service"}, Page{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, all, 1000)
		require.NotEmpty(t, next)
	})
}
