package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// The reply to a COMMIT that PostgreSQL made is lost: the writer finds out that it
// took place, and the callers hear that it did, once.
func TestLostCommitReply(t *testing.T) {
	p, dsn := newProxy(t, storetest.Postgres(t).Database(t))
	d := open(t, config(t, dsn))
	id := token(t, d, 1)
	size := d.LogSize()

	p.loseReply("COMMIT\x00")
	require.NoError(t, update(d, func(tx *Tx) { tx.SpendToken(id) }))
	require.Equal(t, 1, p.lost)
	require.ErrorIs(t, update(d, func(tx *Tx) { tx.SpendToken(id) }), ErrSpent)
	require.Equal(t, size+1, verify(t, d))

	identity(t, d, "device/a")
	serial := issued(t, d, "device/a").Serial
	heard := make(chan []Revocation, 1)
	defer d.OnRevoked(func(r []Revocation, _ bool) { heard <- r })()
	p.loseReply("COMMIT\x00")
	require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, "device/a"))
	require.Equal(t, []Serial{serial}, serialsOf(<-heard))
	require.Equal(t, 2, p.lost)
	require.NoError(t, d.Health())
}

// A database that does not come back in time leaves the caller with the truth,
// which is that nobody knows; what it turns out to have recorded is part of the
// log, and is heard of.
func TestUnknownOutcome(t *testing.T) {
	p, dsn := newProxy(t, storetest.Postgres(t).Database(t))
	d := open(t, config(t, dsn))
	d.writer.patient = 50 * time.Millisecond
	identity(t, d, "device/a")
	serial := issued(t, d, "device/a").Serial
	heard := make(chan []Revocation, 1)
	defer d.OnRevoked(func(r []Revocation, _ bool) { heard <- r })()

	p.loseReply("COMMIT\x00")
	p.closeAfterLoss(true)
	require.ErrorIs(t, alone(d, (*AloneTx).RevokeIdentity, "device/a"), ErrUnknown)
	require.Error(t, d.Health())
	require.Error(t, update(d, func(*Tx) {}))

	p.closeAfterLoss(false)
	require.Eventually(t, func() bool { return d.Health() == nil }, 30*time.Second, 10*time.Millisecond)
	require.Equal(t, []Serial{serial}, serialsOf(<-heard))
	must(t, d, func(*Tx) {})
	require.EqualValues(t, 4, verify(t, d))
}

// The connection is lost before the COMMIT, or with it: what the server does not have is
// made again on another, and takes place once, whether the batch was sent at once or in steps.
func TestLostConnection(t *testing.T) {
	p, dsn := newProxy(t, storetest.Postgres(t).Database(t))
	d := open(t, config(t, dsn))
	id := token(t, d, 6)
	ways := []func(*Tx){
		func(*Tx) {},
		func(tx *Tx) { newToken(tx, 1) }, // which is of no form
	}
	for way, also := range ways {
		for _, lose := range []func(){
			func() { p.loseReply("BEGIN\x00") },
			func() { p.loseReply([]string{"SELECT 1\x00", "UPDATE 1\x00"}[way]) },
			func() { p.loseRequest("test.write") }, // the action of the entry, which travels with the COMMIT
		} {
			lose()
			require.NoError(t, update(d, func(tx *Tx) {
				tx.SpendToken(id)
				also(tx)
			}))
		}
	}
	require.Equal(t, 6, p.lost)
	require.ErrorIs(t, update(d, func(tx *Tx) { tx.SpendToken(id) }), ErrSpent)
	require.EqualValues(t, 8, verify(t, d), "with the one that keeps out what may still come")
}

// While connections are cut at any moment, a caller that hears that its call was
// recorded finds it recorded, and one that hears that it was not finds nothing.
func TestConnectionsCutUnderLoad(t *testing.T) {
	p, dsn := newProxy(t, storetest.Postgres(t).Database(t))
	d := open(t, config(t, dsn))
	var recorded, unknown atomic.Int64
	var load sync.WaitGroup
	const callers, calls = 8, 25
	var cuts sync.WaitGroup
	over, end := context.WithCancel(t.Context())
	cuts.Go(func() {
		for last := int64(0); over.Err() == nil; runtime.Gosched() {
			if n := d.Stats().Batches; n >= last+5 {
				last = n
				p.cut()
			}
		}
	})
	for i := range callers {
		load.Go(func() {
			for j := range calls {
				path := device(i*calls + j)
				err := update(d, func(tx *Tx) {
					tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], State: Active})
				})
				if errors.Is(err, ErrUnknown) {
					unknown.Add(1)
					continue
				}
				if err == nil {
					recorded.Add(1)
				}
				require.NoError(t, d.probed(t, path, err == nil))
			}
		})
	}
	load.Wait()
	end()
	cuts.Wait()
	var fences int64
	require.NoError(t, d.reads.row(t.Context(), `SELECT count(*) FROM audit a WHERE a.action = 'store.reconnect'`, nil, &fences))
	size := verify(t, d) - fences
	require.GreaterOrEqual(t, size, recorded.Load())
	require.LessOrEqual(t, size, recorded.Load()+unknown.Load())
	require.Positive(t, recorded.Load())
	require.NoError(t, d.Update(t.Context(), func(*Tx) audit.Event { return event() }))
}

// probed compares what is on record with what the caller was told.
func (d *DB) probed(t *testing.T, path string, want bool) error {
	for {
		_, err := d.Identity(t.Context(), path)
		switch {
		case err == nil && want, errors.Is(err, ErrNotFound) && !want:
			return nil
		case err == nil, errors.Is(err, ErrNotFound):
			return errors.New(path + " is not as its caller was told")
		}
	}
}

// Connections that a restart of the server, or the network, ended are not what whoever
// reads next hears of; only a server that is away is.
func TestReadAfterRestart(t *testing.T) {
	p, dsn := newProxy(t, storetest.Postgres(t).Database(t))
	d := open(t, config(t, dsn))
	identity(t, d, "device/a")
	read := func() error { _, err := d.Identity(t.Context(), "device/a"); return err }
	for range 5 {
		var pool sync.WaitGroup
		for range 8 {
			pool.Go(func() { assert.NoError(t, read()) })
		}
		pool.Wait()
		p.cut()
		require.NoError(t, read())
	}
	p.loseReply("device/a")
	p.closeAfterLoss(true)
	require.Error(t, read())
	p.closeAfterLoss(false)
}
