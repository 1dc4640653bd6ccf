package store

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every fresh nonce is taken once, and no nonce twice, however many ask at once;
// what we did not make, or made before a restart, is not taken at all.
func TestNonces(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		n := 100_000
		if _, memory := d.nonces.(*nonceWindow); !memory {
			n = 1000 // TestReplicasNonces uses more
		}
		exercise(t, n, d, d)
		for range 1000 {
			var garbage [16]byte
			rand.Read(garbage[:])
			require.ErrorIs(t, d.UseNonce(t.Context(), garbage), ErrSpent)
		}
		changed := d.NewNonce()
		changed[15] ^= 1
		require.ErrorIs(t, d.UseNonce(t.Context(), changed), ErrSpent)
	})
}

// A replica takes the nonces of another, and knows which that one has taken.
func TestReplicasNonces(t *testing.T) {
	dbs := replicas(t, 2)
	n := 100_000
	if underRace {
		n /= 10
	}
	exercise(t, n, dbs[0], dbs[1])
}

// exercise uses n nonces of one store, by turns on both, from 8 goroutines.
func exercise(t *testing.T, n int, a, b *DB) {
	dbs, errs := []*DB{a, b}, make([]error, 8)
	var wg sync.WaitGroup
	for g := range errs {
		wg.Go(func() {
			for i := range n / len(errs) {
				nonce := dbs[i%2].NewNonce()
				if err := dbs[i/2%2].UseNonce(t.Context(), nonce); err != nil {
					errs[g] = err
					return
				}
				if dbs[i/4%2].UseNonce(t.Context(), nonce) == nil {
					errs[g] = ErrExists
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	nonce := a.NewNonce()
	taken := 0
	for _, err := range parallel(100, func(i int) error { return dbs[i%2].UseNonce(t.Context(), nonce) }) {
		if err == nil {
			taken++
			continue
		}
		require.ErrorIs(t, err, ErrSpent)
	}
	require.Equal(t, 1, taken)
}

// In memory a nonce is gone with the process that made it; in a database its use is
// known after a restart.
func TestNonceRestart(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		used, fresh := d.NewNonce(), d.NewNonce()
		require.NoError(t, d.UseNonce(t.Context(), used))
		again := open(t, d.cfg)
		require.ErrorIs(t, again.UseNonce(t.Context(), used), ErrSpent)
		if _, memory := d.nonces.(*nonceWindow); memory {
			require.ErrorIs(t, again.UseNonce(t.Context(), fresh), ErrSpent)
		} else {
			require.NoError(t, again.UseNonce(t.Context(), fresh))
		}
	})
}

// A nonce in memory is taken while the window holds it, and the memory of what was
// used does not grow beyond it.
func TestNonceWindow(t *testing.T) {
	w := newNonceWindow()
	use := func(nonce [16]byte) error { return w.use(t.Context(), nonce) }
	first, second := w.fresh(), w.fresh()
	require.NoError(t, use(first))
	var other [16]byte // for a counter that is ours, and not what we make of it
	binary.BigEndian.PutUint64(other[:8], 1)
	other[15] = 1
	w.block.Encrypt(other[:], other[:])
	require.ErrorIs(t, use(other), ErrSpent)
	skip := func(to uint64) { // as if so many had been made
		for w.next < to {
			if w.next%nonceChunk == 0 {
				w.fresh()
				continue
			}
			w.next = min(to, w.next-w.next%nonceChunk+nonceChunk)
		}
	}
	skip(nonceChunk * nonceChunks)
	require.NoError(t, use(second))
	require.ErrorIs(t, use(first), ErrSpent)
	third := w.fresh() // drops the oldest chunk
	require.ErrorIs(t, use(first), ErrSpent)
	require.ErrorIs(t, use(second), ErrSpent)
	require.NoError(t, use(third))
	require.ErrorIs(t, use(third), ErrSpent)
	skip(3 * nonceChunk * nonceChunks)
	require.ErrorIs(t, use(third), ErrSpent)
	require.Len(t, w.used, nonceChunks)
}

// In a database a nonce is taken for an hour, by clocks that differ a little, and
// its use is forgotten only after that.
func TestReplicasNonceLife(t *testing.T) {
	dbs := replicas(t, 2)
	now := time.Now()
	table := dbs[0].nonces.(*nonceTable)
	table.now = func() time.Time { return now }
	ahead, used := dbs[1].NewNonce(), dbs[1].NewNonce()
	require.NoError(t, dbs[0].UseNonce(t.Context(), used))
	count := func() (n int) {
		require.NoError(t, table.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM acme_nonces`).Scan(&n))
		return n
	}

	now = now.Add(-nonceSkew + 10*time.Second)
	require.NoError(t, dbs[0].UseNonce(t.Context(), ahead))
	now = now.Add(-time.Minute)
	require.ErrorIs(t, dbs[0].UseNonce(t.Context(), dbs[1].NewNonce()), ErrSpent)

	now = time.Now().Add(nonceLife - time.Minute)
	require.NoError(t, dbs[0].UseNonce(t.Context(), dbs[1].NewNonce()))
	require.NoError(t, dbs[0].PruneACME(t.Context(), now))
	require.Equal(t, 3, count())
	require.ErrorIs(t, dbs[0].UseNonce(t.Context(), used), ErrSpent)
	now = time.Now().Add(nonceLife + time.Minute)
	require.ErrorIs(t, dbs[0].UseNonce(t.Context(), dbs[1].NewNonce()), ErrSpent)
	require.NoError(t, dbs[0].PruneACME(t.Context(), now.Add(2*nonceSkew)))
	require.Zero(t, count())
	require.ErrorIs(t, dbs[0].UseNonce(t.Context(), used), ErrSpent)
}

// A crash of the server empties the tables that it does not log. No nonce of before
// is taken after it, on no replica, and each soon makes good ones again.
func TestReplicasNonceCrash(t *testing.T) {
	dbs := replicas(t, 2)
	used, fresh := dbs[0].NewNonce(), dbs[0].NewNonce()
	require.NoError(t, dbs[0].UseNonce(t.Context(), used))
	for _, table := range []string{"acme_nonces", "acme_nonce_epoch"} {
		var persistence string
		pool := dbs[0].nonces.(*nonceTable).db
		require.NoError(t, pool.QueryRowContext(t.Context(), `SELECT relpersistence FROM pg_class WHERE relname = $1`, table).Scan(&persistence))
		require.Equal(t, "u", persistence)
		_, err := pool.ExecContext(t.Context(), `TRUNCATE `+table)
		require.NoError(t, err)
	}
	for _, d := range dbs {
		require.ErrorIs(t, d.UseNonce(t.Context(), used), ErrSpent)
		require.ErrorIs(t, d.UseNonce(t.Context(), fresh), ErrSpent)
		require.NoError(t, d.UseNonce(t.Context(), d.NewNonce()))
	}
	exercise(t, 1000, dbs[0], dbs[1])
}

// A dump knows nothing of the nonces that were used after it: a store that was
// restored takes none of them.
func TestReplicasNonceRestored(t *testing.T) {
	d := replicas(t, 1)[0]
	before, after := d.NewNonce(), d.NewNonce()
	require.NoError(t, d.UseNonce(t.Context(), before))
	file, err := d.engine.backup(t.Context(), t.TempDir(), "backup")
	require.NoError(t, err)
	require.NoError(t, d.UseNonce(t.Context(), after))
	cfg := d.cfg
	cfg.DSN = restore(t, file)
	restored := open(t, cfg)
	require.ErrorIs(t, restored.UseNonce(t.Context(), before), ErrSpent)
	require.ErrorIs(t, restored.UseNonce(t.Context(), after), ErrSpent)
	require.NoError(t, restored.UseNonce(t.Context(), restored.NewNonce()))
}
