package crl_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

func full(t testing.TB, ca party, number int64, serials ...uint64) *crl.List {
	return list(t, ca, number, 0, serials...)
}

// list revokes these serial numbers.
func list(t testing.TB, ca party, number, base int64, serials ...uint64) *crl.List {
	var all []crl.Entry
	for _, n := range serials {
		all = append(all, crl.Entry{Serial: serial(n), RevokedAt: now, Reason: crl.KeyCompromise})
	}
	return open(t, ca, encode(t, ca, template(number, base), set(t, all...)))
}

func begin(t testing.TB, l *crl.List) *crl.State {
	s, err := crl.NewState(l, now)
	require.NoError(t, err)
	return s
}

func accept(t testing.TB, s *crl.State, l *crl.List) *crl.State {
	s, err := s.Accept(l, now)
	require.NoError(t, err)
	return s
}

// revoked lists which of the first ten serial numbers a state revokes.
func revoked(s *crl.State) (all []uint64) {
	for n := range uint64(10) {
		if _, found := s.Lookup(serial(n)); found {
			all = append(all, n)
		}
	}
	return all
}

// Only what is newer is accepted, and what is not leaves the state as it was.
func TestAccept(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	other := authority(t, "Other", key(t, 1), nil)
	rekeyed := authority(t, "Issuer", key(t, 2), nil)
	held := accept(t, begin(t, full(t, ca, 10, 1)), list(t, ca, 20, 10, 2)) // full 10, delta 20

	for _, tt := range []struct {
		name    string
		list    *crl.List
		want    error // nil: accepted
		number  int64
		base    int64
		revoked []uint64
	}{
		{"a newer full list", full(t, ca, 21, 3), nil, 21, 21, []uint64{3}},
		{"a newer delta", list(t, ca, 21, 10, 2, 3), nil, 21, 10, []uint64{1, 2, 3}},
		{"a newer delta to an older base", list(t, ca, 21, 9, 1, 2, 3), nil, 21, 10, []uint64{1, 2, 3}},
		{"a full list between", full(t, ca, 15, 1, 4), nil, 20, 15, []uint64{1, 2, 4}},
		{"a full list with the delta's number", full(t, ca, 20, 1, 2), nil, 20, 20, []uint64{1, 2}},

		{"the same full list", full(t, ca, 10, 1), crl.ErrOld, 0, 0, nil},
		{"an older full list", full(t, ca, 9), crl.ErrOld, 0, 0, nil},
		{"the same delta", list(t, ca, 20, 10, 2), crl.ErrOld, 0, 0, nil},
		{"an older delta", list(t, ca, 19, 10), crl.ErrOld, 0, 0, nil},
		{"a delta to a full list that is not held", list(t, ca, 21, 11, 3), crl.ErrBase, 0, 0, nil},
		{"another issuer with this key", full(t, other, 30), crl.ErrIssuer, 0, 0, nil},
		{"another key of this issuer", full(t, rekeyed, 30), crl.ErrIssuer, 0, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := held.Accept(tt.list, now)
			require.Equal(t, []uint64{1, 2}, revoked(held))
			require.Equal(t, int64(20), held.Number())
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				require.Nil(t, s)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.number, s.Number())
			require.Equal(t, tt.base, s.Base())
			require.Equal(t, tt.revoked, revoked(s))
		})
	}
}

// After a full list that lay between, a delta may build on it; before, it may not.
func TestAcceptMovesBase(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	s := accept(t, begin(t, full(t, ca, 10, 1)), list(t, ca, 20, 10, 2, 4))
	next := list(t, ca, 21, 15, 5)
	_, err := s.Accept(next, now)
	require.ErrorIs(t, err, crl.ErrBase)
	s = accept(t, s, full(t, ca, 15, 1, 2))
	s = accept(t, s, next)
	require.Equal(t, []uint64{1, 2, 5}, revoked(s), "a delta replaces the one before")
	require.Equal(t, int64(21), s.Number())
}

// A list of more than five minutes ahead would shut out those of honest clocks.
func TestAcceptAhead(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	held := begin(t, full(t, ca, 1))
	for _, base := range []int64{0, 1} {
		l := list(t, ca, 2, base)
		_, err := held.Accept(l, now.Add(-5*time.Minute))
		require.NoError(t, err)
		_, err = held.Accept(l, now.Add(-5*time.Minute-time.Second))
		require.ErrorIs(t, err, crl.ErrAhead)
	}
	_, err := crl.NewState(full(t, ca, 1), now.Add(-time.Hour))
	require.ErrorIs(t, err, crl.ErrAhead)
}

// What an expired list revokes is revoked: a peer that starts up with one knows it, and
// sees that it is over.
func TestAcceptExpired(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	late := now.AddDate(0, 1, 0)
	s, err := crl.NewState(full(t, ca, 1, 3), late)
	require.NoError(t, err)
	require.Equal(t, []uint64{3}, revoked(s))
	require.True(t, s.NextUpdate().Before(late))
}

// A state is as new as its newest list.
func TestStateTimes(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	s := begin(t, full(t, ca, 1))
	require.True(t, now.Equal(s.ThisUpdate()))
	later := template(2, 1)
	later.ThisUpdate, later.NextUpdate = now.Add(time.Minute), now.Add(time.Hour)
	s = accept(t, s, open(t, ca, encode(t, ca, later, crl.Set{})))
	require.True(t, later.ThisUpdate.Equal(s.ThisUpdate()))
	require.True(t, later.NextUpdate.Equal(s.NextUpdate()))
}

// Nothing begins with a delta.
func TestNewStateDelta(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	_, err := crl.NewState(list(t, ca, 2, 1), now)
	require.ErrorIs(t, err, crl.ErrBase)
}

// A delta that removes makes a certificate good again, and one that changes the reason
// changes it (RFC 5280, Section 5.2.4).
func TestStateRemove(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	s := begin(t, full(t, ca, 1, 1, 2))
	changes := set(t,
		crl.Entry{Serial: serial(1), RevokedAt: now, Reason: crl.RemoveFromCRL},
		crl.Entry{Serial: serial(2), RevokedAt: now, Reason: crl.Superseded},
	)
	s = accept(t, s, open(t, ca, encode(t, ca, template(2, 1), changes)))
	require.Equal(t, []uint64{2}, revoked(s))
	e, _ := s.Lookup(serial(2))
	require.Equal(t, crl.Superseded, e.Reason)
}

// Whatever lists a peer gets, in whatever order, its number never falls, and it revokes
// exactly what the issuer had revoked at that number.
func TestAcceptAnyOrder(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	random := rand.New(rand.NewPCG(3, 4))
	const last = 60
	since := make([]int64, 10) // the number at which each serial number was revoked
	for i := range since {
		since[i] = 2 + random.Int64N(last-1)
	}
	at := func(after, number int64) (serials []uint64) { // revoked after one number and up to another
		for n, s := range since {
			if s > after && s <= number {
				serials = append(serials, uint64(n))
			}
		}
		return serials
	}
	var fulls []int64
	var published []*crl.List
	for n := int64(1); n <= last; n++ {
		if n == 1 || random.IntN(4) == 0 {
			published = append(published, full(t, ca, n, at(0, n)...))
			fulls = append(fulls, n)
			continue
		}
		base := fulls[max(0, len(fulls)-1-random.IntN(3))]
		published = append(published, list(t, ca, n, base, at(base, n)...))
	}
	for range 200 {
		s := begin(t, published[0])
		for range 100 {
			l := published[random.IntN(len(published))]
			next, err := s.Accept(l, now)
			if err != nil {
				require.True(t, errors.Is(err, crl.ErrOld) || errors.Is(err, crl.ErrBase), "%v", err)
				require.True(t, l.Number() <= s.Number() || l.Base() > s.Base(), "what is newer and fits is accepted")
				continue
			}
			require.GreaterOrEqual(t, next.Number(), s.Number())
			require.GreaterOrEqual(t, next.Base(), s.Base())
			s = next
			require.Equal(t, at(0, s.Number()), revoked(s))
		}
	}
}
