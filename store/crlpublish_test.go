package store

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of the lists of one kind that several processes publish, the one with the greatest
// number is kept, and each learns whether it is his; a list that was found to be none
// of ours makes room whatever number its row claims, unless another one lies there by
// then. Shards go along, one by one.
func TestPublishCRL(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		list := func(kind string, number int64) CRL {
			return CRL{Issuer: "aa", Kind: kind, Number: number, ThisUpdate: now, NextUpdate: now.Add(time.Hour), DER: fmt.Append(nil, number)}
		}
		publish := func(want bool, c CRL, along []CRL, refused ...CRL) {
			t.Helper()
			kept, err := d.PublishCRL(t.Context(), c, along, refused)
			require.NoError(t, err)
			require.Equal(t, want, kept)
		}
		latest := func(kind string) int64 {
			c, err := d.LatestCRL(t.Context(), "aa", kind)
			require.NoError(t, err)
			require.Equal(t, list(kind, c.Number), c)
			return c.Number
		}
		shards := func(number int64) (all []CRL) {
			for i := range 130 { // more than one transaction
				all = append(all, list(fmt.Sprint("128/", i), number))
			}
			return all
		}
		publish(true, list("full", 7), shards(7))
		publish(false, list("full", 6), nil)
		publish(false, list("full", 7), nil)
		require.EqualValues(t, 7, latest("full"))
		publish(true, list("full", 9), append(shards(9)[:65], shards(5)[65:]...))
		require.EqualValues(t, 9, latest("128/64"))
		require.EqualValues(t, 7, latest("128/65"))

		bad := list("full", math.MaxInt64)
		publish(true, bad, nil)
		other := bad
		other.DER = []byte("another")
		publish(false, list("full", 10), nil)
		publish(false, list("full", 10), nil, other)
		publish(false, list("full", 10), nil, list("delta", math.MaxInt64))
		publish(true, list("full", 10), nil, other, bad)

		numbers, err := d.CRLNumbers(t.Context(), "aa", 7)
		require.NoError(t, err)
		require.Len(t, numbers, 1+65)
		require.EqualValues(t, 10, numbers["full"])
		require.EqualValues(t, 9, numbers["128/0"])
		numbers, err = d.CRLNumbers(t.Context(), "bb", 0)
		require.NoError(t, err)
		require.Empty(t, numbers)
	})
}
