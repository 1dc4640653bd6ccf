package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// Of calls that share a transaction, those that cannot be met fail, and only
// those; each failed one has left nothing behind, each good one everything, the
// log included.
func TestFailureIsAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		unknown := TokenID{0xff}
		before := d.LogSize()
		errs := parallel(200, func(i int) error {
			return update(d, func(tx *Tx) {
				tx.CreateIdentity(Identity{Path: device(i), Role: "device", Name: device(i)[7:], State: Pending})
				if i%5 == 0 {
					tx.SpendToken(unknown)
				}
			})
		})
		for i, err := range errs {
			_, found := d.Identity(t.Context(), device(i))
			if i%5 == 0 {
				require.ErrorIs(t, err, ErrSpent)
				require.ErrorIs(t, found, ErrNotFound)
			} else {
				require.NoError(t, err)
				require.NoError(t, found)
			}
		}
		require.Equal(t, before+160, d.LogSize())
		require.Equal(t, d.LogSize(), verify(t, d))
		require.Less(t, d.Stats().Batches, int64(200)) // they did share
	})
}

// A call's outcome does not depend on a neighbour that fails: what the neighbour
// did before it failed has not happened, neither for better nor for worse.
func TestFailedNeighbourNeverWas(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		unknown := TokenID{0xff}
		for i := range 50 {
			id := token(t, d, 1)
			errs := parallel(3, func(n int) error {
				return update(d, func(tx *Tx) {
					switch n {
					case 0: // takes the token and fails
						tx.SpendToken(id)
						tx.SpendToken(unknown)
					case 1: // needs the token
						tx.SpendToken(id)
					case 2: // needs an identity that only case 0 of its like would have made
						tx.MarkSuspect(device(i))
					}
				})
			})
			require.ErrorIs(t, errs[0], ErrSpent)
			require.NoError(t, errs[1])
			require.ErrorIs(t, errs[2], ErrNotFound)
		}
	})
}

// A caller that goes away keeps its call from beginning, and cannot stop one that
// has begun, nor harm its neighbours.
func TestCallerGoesAway(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		gone, leave := context.WithCancelCause(t.Context())
		cause := errors.New("went away")
		errs := parallel(100, func(i int) error {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = gone
			}
			return d.Update(ctx, func(tx *Tx) audit.Event {
				tx.CreateIdentity(Identity{Path: device(i), Role: "device", Name: device(i)[7:], State: Active})
				if i == 50 {
					leave(cause)
				}
				return event()
			})
		})
		for i, err := range errs {
			_, found := d.Identity(t.Context(), device(i))
			if err != nil {
				require.ErrorIs(t, err, cause)
				require.Zero(t, i%2)
				require.ErrorIs(t, found, ErrNotFound)
			} else {
				require.NoError(t, found)
			}
		}
		require.ErrorIs(t, d.Update(gone, func(*Tx) audit.Event { return event() }), cause)
		verify(t, d)
	})
}

// An event that cannot be recorded is its own call's failure: what the call
// demanded is undone, and its neighbours are recorded.
func TestEventThatCannotBeSealed(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		errs := parallel(20, func(i int) error {
			return d.Update(t.Context(), func(tx *Tx) audit.Event {
				tx.CreateIdentity(Identity{Path: device(i), Role: "device", Name: device(i)[7:], State: Active})
				e := event()
				if i == 7 {
					e.Action = "No Such Action"
				}
				return e
			})
		})
		for i, err := range errs {
			_, found := d.Identity(t.Context(), device(i))
			require.Equal(t, i == 7, err != nil, "%d: %v", i, err)
			require.Equal(t, i == 7, errors.Is(found, ErrNotFound))
		}
		require.EqualValues(t, 19, verify(t, d))
	})
}

// A call alone reads what it wrote; its error undoes it; its panic is its
// caller's; and the writer goes on.
func TestUpdateAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		create := func(fail error) error {
			return d.UpdateAlone(t.Context(), func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
				tx.CreateIdentity(Identity{Path: "device/a", Role: "device", Name: "a", State: Active})
				if id, err := tx.Identity(ctx, "device/a"); err == nil {
					require.Equal(t, Active, id.State)
				}
				return event(), fail
			})
		}
		refusal := errors.New("no")
		require.ErrorIs(t, create(refusal), refusal)
		_, err := d.Identity(t.Context(), "device/a")
		require.ErrorIs(t, err, ErrNotFound)

		require.PanicsWithValue(t, "oops", func() {
			d.UpdateAlone(t.Context(), func(_ context.Context, tx *AloneTx) (audit.Event, error) {
				tx.CreateIdentity(Identity{Path: "device/a", Role: "device", Name: "a", State: Active})
				panic("oops")
			})
		})

		require.NoError(t, create(nil))
		require.ErrorIs(t, create(nil), ErrExists) // an unmet demand, that the function did not look at
		require.EqualValues(t, 1, verify(t, d))
	})
}

// A closed store refuses, and what was in its queue is recorded.
func TestClose(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		cfg := d.cfg
		errs := make(chan error, 100)
		for i := range 100 {
			go func() {
				errs <- update(d, func(tx *Tx) {
					tx.CreateIdentity(Identity{Path: device(i), Role: "device", Name: fmt.Sprint(i), State: Active})
				})
			}()
		}
		first := <-errs
		require.NoError(t, first)
		require.NoError(t, d.Close())
		recorded := int64(1)
		for range 99 {
			if err := <-errs; err == nil {
				recorded++
			} else {
				require.ErrorIs(t, err, ErrClosed)
			}
		}
		require.Equal(t, recorded, verify(t, open(t, cfg)))
	})
}
