package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A slowTable answers a query when it is told to, with each key that is even.
type slowTable struct {
	queries chan []rowKey
	answer  chan error
}

func newSlowTable() *slowTable {
	return &slowTable{queries: make(chan []rowKey), answer: make(chan error)}
}

func (s *slowTable) find(ctx context.Context, keys []rowKey) (map[rowKey]byte, error) {
	s.queries <- keys
	if err := cmp.Or(<-s.answer, ctx.Err()); err != nil {
		return nil, err
	}
	rows := map[rowKey]byte{}
	for _, k := range keys {
		if k[0]%2 == 0 {
			rows[k] = k[0]
		}
	}
	return rows, nil
}

// Who asks while a query is on its way is answered by the next one, with all others who
// did, and not by that: it may have looked before. Each gets its own row.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gatherer[byte]
		table := newSlowTable()
		var callers sync.WaitGroup
		get := func(key byte, want error) {
			callers.Go(func() {
				row, err := g.get(t.Context(), rowKey{key}, table.find)
				require.ErrorIs(t, err, want)
				if want == nil {
					require.Equal(t, key, row)
				}
			})
			synctest.Wait()
		}
		get(2, nil)
		require.Equal(t, []rowKey{{2}}, <-table.queries)
		get(2, nil)
		get(4, nil)
		get(3, ErrNotFound)
		get(4, nil)
		table.answer <- nil
		require.Equal(t, []rowKey{{2}, {4}, {3}}, <-table.queries)
		table.answer <- nil
		callers.Wait()

		get(6, nil)
		require.Equal(t, []rowKey{{6}}, <-table.queries, "asks again after nobody did")
		for key := range mostGathered + 1 {
			callers.Go(func() {
				_, err := g.get(t.Context(), rowKey{2, byte(key), byte(key >> 8)}, table.find)
				require.NoError(t, err)
			})
		}
		synctest.Wait()
		table.answer <- nil
		require.Len(t, <-table.queries, mostGathered)
		table.answer <- nil
		require.Len(t, <-table.queries, 1)
		table.answer <- nil
		callers.Wait()
		synctest.Wait()
		require.False(t, g.asking)
	})
}

// A query that fails does so for those who were in it, and one without an answer does. Who
// goes does not take it from the others, even if it was asked for his sake, and is not asked
// for if it was not.
func TestGatherFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gatherer[byte]
		table := newSlowTable()
		var callers sync.WaitGroup
		var gone atomic.Int64
		get := func(ctx context.Context, key rowKey, want error) {
			callers.Go(func() {
				defer gone.Add(1)
				_, err := g.get(ctx, key, table.find)
				require.ErrorIs(t, err, want)
			})
			synctest.Wait()
		}
		errGone, errServer := errors.New("gone"), errors.New("server")
		ctx, cancel := context.WithCancelCause(t.Context())
		get(ctx, rowKey{2}, errGone)
		<-table.queries
		get(ctx, rowKey{4}, errGone)
		get(t.Context(), rowKey{2}, errServer)
		cancel(errGone)
		synctest.Wait()
		require.Equal(t, int64(2), gone.Load())
		get(ctx, rowKey{4}, errGone)
		table.answer <- nil
		require.Equal(t, []rowKey{{2}}, <-table.queries, "nobody is there for the other one")
		get(t.Context(), rowKey{2}, nil)
		table.answer <- errServer
		<-table.queries
		table.answer <- nil
		callers.Wait()

		get(t.Context(), rowKey{2}, context.DeadlineExceeded)
		<-table.queries
		time.Sleep(gatherPatience + 1)
		table.answer <- nil
		callers.Wait()
	})
}

// What is read of many at once is what is read of each.
func TestLookupMany(t *testing.T) {
	d := open(t, config(t, storetest.Postgres(t).Database(t)))
	identity(t, d, "device/SN-1")
	bound := Token{ID: TokenID{1}, Role: "device", Name: "SN-1", Exact: true, MaxUses: 1, Expires: time.UnixMilli(1000), Created: time.UnixMilli(1)}
	free := Token{ID: TokenID{2}, Role: "device", Name: "SN-*", MaxUses: 3, Expires: time.UnixMilli(2000), Created: time.UnixMilli(2)}
	a, b := certificate("device/SN-1"), certificate("device/SN-1")
	must(t, d, func(tx *Tx) {
		tx.InsertToken(bound)
		tx.InsertToken(free)
		tx.InsertCertificate(a)
		tx.InsertCertificate(b)
	})
	require.NoError(t, revokeSerial(d, b.Serial))
	rows, err := tokenHolders.rows(t.Context(), d.reads, []rowKey{rowKey(free.ID), {9}, rowKey(bound.ID)})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	for _, id := range []TokenID{bound.ID, free.ID} {
		one, err := tokenHolders.rows(t.Context(), d.reads, []rowKey{rowKey(id)})
		require.NoError(t, err)
		require.Equal(t, one[rowKey(id)], rows[rowKey(id)])
		require.Equal(t, id == bound.ID, rows[rowKey(id)].path.Valid)
	}
	certs, err := holders.rows(t.Context(), d.reads, []rowKey{rowKey(b.Serial), rowKey(a.Serial), {9}})
	require.NoError(t, err)
	require.Len(t, certs, 2)
	for _, serial := range []Serial{a.Serial, b.Serial} {
		one, err := holders.rows(t.Context(), d.reads, []rowKey{rowKey(serial)})
		require.NoError(t, err)
		require.Equal(t, one[rowKey(serial)], certs[rowKey(serial)])
		require.Equal(t, serial == b.Serial, certs[rowKey(serial)].end.serial != nil)
	}
}

// A hungServer answers nothing.
type hungServer struct {
	engine
	renewed atomic.Int64
}

func (*hungServer) shared() bool                                    { return true }
func (*hungServer) dialect(query string) string                     { return query }
func (*hungServer) explain(err error) error                         { return err }
func (*hungServer) readContext(ctx context.Context) context.Context { return ctx }
func (s *hungServer) renew()                                        { s.renewed.Add(1) }

func (s *hungServer) prepare(context.Context, *sql.DB, string) (statement, error) { return s, nil }

func (*hungServer) QueryContext(ctx context.Context, _ ...any) (*sql.Rows, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A server that does not answer keeps a lookup for so long and no longer, and is asked over
// new connections then.
func TestLookupHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &hungServer{}
		var g gatherer[*holderRow]
		_, err := holders.row(t.Context(), &reads{engine: server}, &g, rowKey{1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, int64(1), server.renewed.Load())
	})
}
