package crl_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// A Set finds what was put in, whatever the order, and nothing else.
func TestSet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var list []crl.Entry
	for i := range uint64(500) {
		list = append(list, crl.Entry{Serial: serial(2 * i), RevokedAt: now.Add(time.Duration(i) * time.Minute), Reason: crl.Reason(i % 6)})
	}
	shuffled := slices.Clone(list)
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	s := set(t, shuffled...)
	require.Equal(t, len(list), s.Len())
	require.Equal(t, list, slices.Collect(s.All()))
	for i, e := range list {
		got, found := s.Lookup(e.Serial)
		require.True(t, found)
		require.Equal(t, e, got)
		_, found = s.Lookup(serial(uint64(2*i + 1)))
		require.False(t, found)
	}
	_, found := crl.Set{}.Lookup(serial(0))
	require.False(t, found)
}

// Every entry is kept in 35 bytes or less.
func TestSetMemory(t *testing.T) {
	const n = 100_000
	require.Less(t, allocated(func() { collect(t, n) }), uint64(35*n))
}

// What a list cannot say is refused, and so is a serial number that comes twice.
func TestCollectRefuses(t *testing.T) {
	broken := errors.New("the database went away")
	one := crl.Entry{Serial: serial(1), RevokedAt: now}
	with := func(f func(*crl.Entry)) crl.Entry {
		e := one
		f(&e)
		return e
	}
	for _, tt := range []struct {
		name string
		list []crl.Entry
		err  error
	}{
		{"twice", []crl.Entry{one, with(func(e *crl.Entry) { e.Serial = serial(0) }), one}, nil},
		{"reason 7", []crl.Entry{with(func(e *crl.Entry) { e.Reason = 7 })}, nil},
		{"reason 11", []crl.Entry{with(func(e *crl.Entry) { e.Reason = 11 })}, nil},
		{"no time", []crl.Entry{with(func(e *crl.Entry) { e.RevokedAt = time.Time{} })}, nil},
		{"the year 2106", []crl.Entry{with(func(e *crl.Entry) { e.RevokedAt = time.Unix(1<<32, 0) })}, nil},
		{"an error in the middle", []crl.Entry{one}, broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := crl.Collect(0, func(yield func(crl.Entry, error) bool) {
				for _, e := range tt.list {
					if !yield(e, nil) {
						return
					}
				}
				if tt.err != nil {
					yield(crl.Entry{}, tt.err)
				}
			})
			require.Error(t, err)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
		})
	}
}

// A delta adds, changes and removes; what it does not name stays.
func TestSetApply(t *testing.T) {
	at := func(n uint64, reason crl.Reason) crl.Entry {
		return crl.Entry{Serial: serial(n), RevokedAt: now, Reason: reason}
	}
	base := set(t, at(2, 1), at(4, 1), at(6, 1), at(8, 1))
	for _, tt := range []struct {
		name        string
		delta, want crl.Set
	}{
		{"nothing", crl.Set{}, base},
		{"before, between and after", set(t, at(1, 4), at(5, 4), at(9, 4)), set(t, at(1, 4), at(2, 1), at(4, 1), at(5, 4), at(6, 1), at(8, 1), at(9, 4))},
		{"another reason", set(t, at(4, 5)), set(t, at(2, 1), at(4, 5), at(6, 1), at(8, 1))},
		{"removes the first and the last", set(t, at(2, crl.RemoveFromCRL), at(8, crl.RemoveFromCRL)), set(t, at(4, 1), at(6, 1))},
		{"removes what is not there", set(t, at(3, crl.RemoveFromCRL)), base},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, slices.Collect(tt.want.All()), slices.Collect(base.Apply(tt.delta).All()))
		})
	}
	require.Equal(t, 4, base.Len(), "and the base is as it was")
}

// A Serial is a number: leading zeros do not matter, and its text is hexadecimal.
func TestSerial(t *testing.T) {
	for octets, text := range map[string]string{
		"":                                     "00",
		"\x00\x00":                             "00",
		"\x0a":                                 "0a",
		"\x00\x01\x00":                         "0100",
		string(bytes.Repeat([]byte{0xab}, 20)): string(bytes.Repeat([]byte("ab"), 20)),
	} {
		s, err := crl.SerialOf([]byte(octets))
		require.NoError(t, err)
		require.Equal(t, text, s.String())
		again, err := crl.SerialOf(s.Bytes())
		require.NoError(t, err)
		require.Equal(t, s, again)
	}
	_, err := crl.SerialOf(bytes.Repeat([]byte{1}, 21))
	require.Error(t, err)
	_, err = crl.SerialOf(append([]byte{0}, bytes.Repeat([]byte{1}, 20)...))
	require.NoError(t, err)
}

// Reasons go by the names of RFC 5280, and there is no seventh.
func TestReason(t *testing.T) {
	for r := range crl.Reason(20) {
		parsed, err := crl.ParseReason(r.String())
		if r == 7 || r > 10 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, r, parsed)
	}
	_, err := crl.ParseReason("")
	require.Error(t, err)
}
