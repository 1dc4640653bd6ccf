package store

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// replicas are several stores on one PostgreSQL database.
func replicas(t testing.TB, n int) []*DB {
	cfg := config(t, storetest.Postgres(t).Database(t))
	all := make([]*DB, n)
	for i := range all {
		all[i] = open(t, cfg)
	}
	return all
}

// One token, one spender, over any number of replicas; and one log.
func TestReplicasSpendOnce(t *testing.T) {
	dbs := replicas(t, 3)
	for range 5 {
		id := token(t, dbs[0], 1)
		spent := 0
		for _, err := range parallel(300, func(i int) error {
			return update(dbs[i%3], func(tx *Tx) { tx.SpendToken(id) })
		}) {
			if err == nil {
				spent++
				continue
			}
			require.ErrorIs(t, err, ErrSpent)
		}
		require.Equal(t, 1, spent)
	}
	size := verify(t, dbs[0])
	require.EqualValues(t, 10, size)
	for _, d := range dbs { // each goes on from what the others wrote
		must(t, d, func(*Tx) {})
		size++
		require.Equal(t, size, d.LogSize())
	}
	require.Equal(t, size, verify(t, dbs[1]))
}

// A token for many is spent as often as it has uses, by however many at once; whoever comes
// too late leaves nothing behind.
func TestReplicasSpendOften(t *testing.T) {
	dbs := replicas(t, 3)
	const uses = 100
	id := token(t, dbs[0], uses)
	spent := 0
	for i, err := range parallel(3*uses, func(i int) error {
		return update(dbs[i%3], func(tx *Tx) {
			tx.SpendToken(id)
			tx.NameTokenUser(id, device(i))
			tx.CreateIdentity(Identity{Path: device(i), Role: "device", Name: device(i)[7:], State: Active})
		})
	}) {
		_, found := dbs[0].Identity(t.Context(), device(i))
		if err == nil {
			spent++
			require.NoError(t, found)
			continue
		}
		require.ErrorIs(t, err, ErrSpent)
		require.ErrorIs(t, found, ErrNotFound)
	}
	require.Equal(t, uses, spent)
	k, err := dbs[0].Token(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, uses, k.Uses)
	_, err = dbs[0].Identity(t.Context(), k.UsedBy)
	require.NoError(t, err)
	require.EqualValues(t, 1+uses, verify(t, dbs[0]))
}

// A log to which several write in turn has every tile, and none twice.
func TestReplicasTiles(t *testing.T) {
	dbs := replicas(t, 3)
	for _, err := range parallel(900, func(i int) error { return update(dbs[i%3], func(*Tx) {}) }) {
		require.NoError(t, err)
	}
	require.EqualValues(t, 900, verify(t, dbs[2]))
	source, err := dbs[0].AuditSource(t.Context())
	require.NoError(t, err)
	tiles, err := source.Tiles(t.Context(), 0, -1, 10)
	require.NoError(t, err)
	require.Len(t, tiles, 3)
}

// A revocation on one replica wins against enrolment on the others: what they
// decided before is stale, and nothing live is left.
func TestReplicasRevokeWins(t *testing.T) {
	dbs := replicas(t, 3)
	var wg sync.WaitGroup
	const identities = 15
	for i := range identities {
		path := device(i)
		identity(t, dbs[0], path)
		for _, d := range dbs[1:] {
			for range 2 {
				wg.Go(func() {
					for update(d, func(tx *Tx) { tx.InsertCertificate(certificate(path)) }) == nil {
					}
				})
			}
		}
	}
	for i := range identities {
		require.NoError(t, alone(dbs[0], (*AloneTx).RevokeIdentity, device(i)))
	}
	wg.Wait()
	for i := range identities {
		live, _, err := dbs[0].Certificates(t.Context(), CertificateFilter{Identity: device(i), Live: true}, Page{})
		require.NoError(t, err)
		require.Empty(t, live)
	}
	verify(t, dbs[0])
}

// A policy that one replica sets makes stale what the others decided under the
// one before.
func TestReplicasPolicy(t *testing.T) {
	dbs := replicas(t, 2)
	const identities = 5
	for i := range identities {
		identity(t, dbs[0], device(i))
	}
	for version := range int64(30) {
		var wg sync.WaitGroup
		for i := range identities {
			wg.Go(func() {
				for {
					c := certificate(device(i))
					c.Policy = version
					if err := update(dbs[1], func(tx *Tx) { tx.InsertCertificate(c) }); err != nil {
						assert.ErrorIs(t, err, ErrStale)
						return
					}
				}
			})
		}
		must(t, dbs[0], func(tx *Tx) { tx.SetPolicy(Policy{Version: version + 1, Text: []byte("x")}) })
		wg.Wait()
	}
}

// Of replicas that certify the same key for two identities, one does.
func TestReplicasKey(t *testing.T) {
	dbs := replicas(t, 2)
	identity(t, dbs[0], "device/a")
	identity(t, dbs[0], "device/b")
	for i := range 50 {
		paths := []string{"device/a", "device/b"}
		certs := []Certificate{certificate(paths[0]), certificate(paths[1])}
		certs[1].SPKI = certs[0].SPKI
		errs := parallel(2, func(n int) error {
			return update(dbs[(i+n)%2], func(tx *Tx) { tx.InsertCertificate(certs[n]) })
		})
		require.NotEqual(t, errs[0] == nil, errs[1] == nil)
		for _, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, ErrKeyTaken)
			}
		}
	}
}

// Of replicas that bind one TPM to two identities, each by an attestation key of its own,
// one does.
func TestReplicasTPM(t *testing.T) {
	dbs := replicas(t, 2)
	paths := []string{"device/a", "device/b"}
	identity(t, dbs[0], paths[0])
	identity(t, dbs[0], paths[1])
	for i := range 50 {
		ek := [32]byte{byte(i)}
		for n, path := range paths {
			must(t, dbs[n], func(tx *Tx) {
				tx.RecordAttestation(Attestation{AK: [32]byte{byte(i), byte(n)}, EK: ek, Identity: path, Expires: tx.Now().Add(time.Hour)})
			})
		}
		errs := parallel(2, func(n int) error {
			return update(dbs[n], func(tx *Tx) { tx.BindTPM(paths[n], ek[:]) })
		})
		require.NotEqual(t, errs[0] == nil, errs[1] == nil, "round %d", i)
		for _, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, ErrKeyTaken)
			}
		}
	}
	verify(t, dbs[0])
}

// Calls of two replicas that take the same rows in opposite order wait for each
// other; PostgreSQL ends one, and it is made again: no caller hears of it, whether
// its call was one of a batch or made its own demands.
func TestReplicasDeadlock(t *testing.T) {
	dbs := replicas(t, 2)
	const callers = 3
	a, b := token(t, dbs[0], 1000_000), token(t, dbs[0], 1000_000)
	spend := func(i int, tx *Tx) {
		if i%2 == 0 {
			tx.SpendToken(a)
			tx.SpendToken(b)
		} else {
			tx.SpendToken(b)
			tx.SpendToken(a)
		}
	}
	rounds := 0
	for deadlocks, until := 0, time.Now().Add(30*time.Second); rounds < 10 || deadlocks < 2; rounds++ {
		require.True(t, time.Now().Before(until), "the replicas never met")
		for _, err := range parallel(2*callers, func(i int) error {
			if i < 2 {
				return dbs[i%2].UpdateAlone(t.Context(), func(_ context.Context, tx *AloneTx) (audit.Event, error) {
					spend(i, &tx.Tx)
					return event(), nil
				})
			}
			return update(dbs[i%2], func(tx *Tx) { spend(i, tx) })
		}) {
			require.NoError(t, err)
		}
		require.NoError(t, dbs[0].reads.row(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`, nil, &deadlocks))
	}
	for _, id := range []TokenID{a, b} {
		k, err := dbs[0].Token(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, rounds*2*callers, k.Uses)
	}
	verify(t, dbs[1])
}

// What one replica revokes the others hear of, in order, within a few seconds,
// even if they do nothing.
func TestReplicasHear(t *testing.T) {
	dbs := replicas(t, 2)
	heard := make(chan Revocation, 100)
	defer dbs[1].OnRevoked(func(all []Revocation, _ bool) {
		for _, r := range all {
			heard <- r
		}
	})()
	var want []Serial
	for i := range 10 {
		identity(t, dbs[0], device(i))
		want = append(want, issued(t, dbs[0], device(i)).Serial)
		require.NoError(t, alone(dbs[0], (*AloneTx).RevokeIdentity, device(i)))
	}
	var got []Serial
	timeout := time.After(30 * time.Second)
	for range want {
		select {
		case r := <-heard:
			got = append(got, r.Serial)
		case <-timeout:
			require.Fail(t, "not heard of")
		}
	}
	require.True(t, slices.EqualFunc(want, got, func(a, b Serial) bool { return bytes.Equal(a[:], b[:]) }))
}
