package revoke_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// replicas are worlds of one CA, each on a store of its own on one PostgreSQL, the
// eldest first.
func replicas(t *testing.T, n int, change ...func(*revoke.PublisherConfig, *revoke.ResponderConfig)) []*world {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	all := make([]*world, n)
	for i := range all {
		db := c.Replica(named(i))
		eventually(t, func() bool { return db.Eldest() == (i == 0) && !db.Lapsed() }, "its place")
		all[i] = newWorld(t, c, append(change, revoketest.OnStore(db))...)
	}
	return all
}

// named has a store be that of a daemon, not of a tool.
func named(i int) func(*store.Config) {
	return func(c *store.Config) { c.Replica.Name = fmt.Sprintf("replica-%d", i) }
}

func heartbeat(every time.Duration) func(*revoke.PublisherConfig, *revoke.ResponderConfig) {
	return func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) { p.Heartbeat = every }
}

// same says that all serve the same lists.
func same(all []*world) bool {
	for _, w := range all[1:] {
		for _, of := range []func(*revoke.Publisher) *revoke.Document{(*revoke.Publisher).Full, (*revoke.Publisher).Delta} {
			if a, b := of(all[0].Publisher), of(w.Publisher); a.Number != b.Number || !bytes.Equal(a.DER, b.DER) {
				return false
			}
		}
	}
	return true
}

// A replica that starts beside others serves what they serve, byte for byte, and signs
// nothing.
func TestReplicaTakesOver(t *testing.T) {
	one := replicas(t, 1)[0]
	one.revoke("pump-1")
	before, err := one.Store.CRLNumber(t.Context())
	require.NoError(t, err)
	two := newWorld(t, one.CA, revoketest.OnStore(one.Replica(named(1))))
	eventually(t, func() bool { return same([]*world{one, two}) }, "the same lists")
	after, err := one.Store.CRLNumber(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	path := "/crl/" + one.Authority.IssuerID() + "/delta.crl"
	require.Equal(t, one.get(path), two.get(path))
}

// What one replica revokes all lists of all replicas have, in the same bytes, and each
// replica's answers before the call returns.
func TestReplicasRevoke(t *testing.T) {
	all := replicas(t, 3)
	for i := range 6 {
		name := fmt.Sprintf("pump-%d", i)
		cert, _ := all[0].enrol(name)
		for _, w := range all {
			single, _ := w.ask(w.issuing, cert.SerialNumber.Bytes(), nil)
			require.Equal(t, ocsp.Good, single.Status)
		}
		_, err := all[i%3].Revoker.Identity(t.Context(), root, "device/"+name, orders)
		require.NoError(t, err)
		for _, w := range all {
			single, _ := w.ask(w.issuing, cert.SerialNumber.Bytes(), nil)
			require.Equal(t, ocsp.Revoked, single.Status)
		}
		eventually(t, func() bool { return has(all[0].open(all[0].Publisher.Full()), cert) && same(all) }, "the same lists")
	}
}

// A subscriber sees numbers rise strictly, also one that moves between replicas, whoever
// revokes and whoever dies; no number has two lists; and a list holds all that was
// revoked with a lower number.
func TestReplicasNumbers(t *testing.T) {
	all := replicas(t, 3, heartbeat(30*time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	seen := &lists{byNumber: map[int64][]byte{}}
	for _, w := range all {
		watching.Go(func() { w.watch(ctx, seen, 0, math.MaxInt) })
	}
	watching.Go(func() { // the one that moves
		for last, i := int64(0), 0; ctx.Err() == nil; i++ {
			last = all[i%3].watch(ctx, seen, last, 3)
		}
	})
	watching.Go(func() { // and one that polls, each time somewhere else
		for last, i := int64(0), 0; ctx.Err() == nil; i++ {
			last = all[i%3].poll(ctx, seen, last)
		}
	})
	var revoking sync.WaitGroup
	for i, w := range all {
		revoking.Go(func() {
			for n := range 10 {
				name := fmt.Sprintf("pump-%d-%d", i, n)
				w.enrol(name)
				if i == 0 && n == 5 {
					all[0].Stop() // its store lives on: what it revokes others tell of
				}
				if _, err := w.Revoker.Identity(t.Context(), root, "device/"+name, orders); err != nil {
					t.Error(err)
				}
			}
		})
	}
	revoking.Wait()
	revoked, err := all[1].Store.RevokedSince(t.Context(), all[1].Authority.IssuerID(), 0)
	require.NoError(t, err)
	require.Len(t, revoked, 30)
	last := revoked[len(revoked)-1].Number
	eventually(t, func() bool { return all[1].Publisher.Delta().Number > last && all[2].Publisher.Delta().Number > last }, "all of it")
	eventually(t, func() bool { return seen.len() > 20 }, "enough of them")
	cancel()
	watching.Wait()
	for number, der := range seen.byNumber {
		list, err := crl.Open(der, all[0].issuing)
		require.NoError(t, err)
		require.Equal(t, number, list.Number())
		for _, r := range revoked {
			serial, err := crl.SerialOf(r.Serial[:])
			require.NoError(t, err)
			_, told := list.Entries().Lookup(serial)
			require.True(t, told || r.Number > number || r.Number <= list.Base(), "list %d, revocation %d", number, r.Number)
		}
	}
}

// Replicas serve the same shards, and the file of each, whoever signed them.
func TestReplicasShards(t *testing.T) {
	all := replicas(t, 2, spread(budget))
	all[0].crowd("crowd", 9)
	var cert *x509.Certificate
	for i := 0; cert == nil || !strings.Contains(cert.CRLDistributionPoints[0], "/8/"); i++ {
		require.Less(t, i, 100) // here they share the issuer, and each decides for itself
		eventually(t, func() bool { return all[0].Authority.Shards() == 8 }, "8 shards")
		cert, _ = all[0].enrol(fmt.Sprintf("pump-%d", i))
	}
	_, err := all[1].Revoker.Serial(t.Context(), root, serial(cert), orders)
	require.NoError(t, err)
	eventually(t, func() bool { return has(all[0].list(cert), cert) && has(all[1].list(cert), cert) && same(all) }, "the shard")
	for i := range 8 {
		path := fmt.Sprintf("/crl/%s/8/%d.crl", all[0].Authority.IssuerID(), i)
		require.Equal(t, all[0].get(path), all[1].get(path))
	}
	third := newWorld(t, all[0].CA, spread(budget), revoketest.OnStore(all[0].Replica(named(2))))
	require.True(t, same(append(all, third)))
	require.True(t, has(third.list(cert), cert))
}

// The files of a replica that only takes over are what it serves.
func TestReplicasMirror(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	var all []*mirrored
	for i := range 2 {
		all = append(all, newMirrored(t, c, filepath.Join(t.TempDir(), "www"), revoketest.OnStore(c.Replica(named(i)))))
	}
	all[0].revoke("pump-1")
	full, delta, _ := all[0].paths()
	eventually(t, func() bool { return same([]*world{all[0].world, all[1].world}) }, "the same lists")
	for _, path := range []string{full, delta} {
		eventually(t, func() bool { return bytes.Equal(all[1].file(path), all[0].get("/"+path)) }, path)
	}
}

// During a rotation replicas serve the same lists of both issuers, also where one of
// them has put the old issuer to rest already: its last list stays what is on record.
func TestReplicasRotate(t *testing.T) {
	all := replicas(t, 2, heartbeat(100*time.Millisecond))
	next := all[0].NextAuthority()
	require.NoError(t, all[0].Issuers.Set(next, []*ca.Authority{all[0].Authority}, nil))
	var fresh []*revoke.Publisher
	for _, w := range all {
		config := w.Publisher.PublisherConfig
		config.Authority = next
		p, err := revoke.NewPublisher(t.Context(), config)
		require.NoError(t, err)
		w.Publishers.Set([]*revoke.Publisher{p, w.Publisher}, nil)
		require.NoError(t, w.Responder.Refresh(t.Context()))
		fresh = append(fresh, p)
	}
	require.Equal(t, fresh[0].Full().DER, fresh[1].Full().DER)
	_, err := all[1].Revoker.Identity(t.Context(), root, all[0].enrolled("pump-1"), orders)
	require.NoError(t, err)
	eventually(t, func() bool {
		return fresh[0].Delta().Number > fresh[0].Full().Number && bytes.Equal(fresh[0].Delta().DER, fresh[1].Delta().DER) && same(all)
	}, "the same lists")

	kept, err := all[0].Store.LatestCRL(t.Context(), all[0].Authority.IssuerID(), "full")
	require.NoError(t, err)
	last, err := revoke.OpenDocument(kept, all[0].issuing)
	require.NoError(t, err)
	_, err = revoke.OpenDocument(kept, next.Certificate())
	require.Error(t, err, "another issuer's")
	kept.Number++
	_, err = revoke.OpenDocument(kept, all[0].issuing)
	require.Error(t, err, "renumbered")
	all[0].Publishers.Set(fresh[:1], map[string]*revoke.Document{all[0].Authority.IssuerID(): last})
	beats := all[1].Publisher.Delta().Number
	eventually(t, func() bool { return all[1].Publisher.Delta().Number > beats+3 }, "heartbeats of the old issuer")
	path := "/crl/" + all[0].Authority.IssuerID() + "/full.crl"
	require.Equal(t, last.DER, all[0].get(path))
	require.Equal(t, last.DER, all[1].get(path))
}

// enrolled gives an identity of this name a certificate, and returns its path.
func (w *world) enrolled(name string) string {
	w.enrol(name)
	return "device/" + name
}
