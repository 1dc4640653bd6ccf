package revoke_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// When the eldest dies another replica signs the heartbeats and the full lists.
func TestEldestDies(t *testing.T) {
	all := replicas(t, 3, heartbeat(100*time.Millisecond))
	first := all[0].Publisher.Delta().Number
	eventually(t, func() bool { return all[2].Publisher.Delta().Number > first+3 }, "heartbeats")
	all[0].Stop()
	require.NoError(t, all[0].db().Close())
	first = all[1].Publisher.Delta().Number
	eventually(t, func() bool { return all[1].Publisher.Delta().Number > first+5 && same(all[1:]) }, "heartbeats by another")
	eventually(t, all[1].db().Eldest, "the next eldest")
	cert, _ := all[1].enrol("pump-1")
	_, err := all[2].Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return has(all[2].open(all[2].Publisher.Full()), cert) && same(all[1:]) }, "a full list by another")
}

func (w *world) db() *store.DB { return w.Publisher.Store }

// A replica that stood still while it signed does not serve its list once others have
// published: numbers would fall.
func TestPausedSigner(t *testing.T) {
	all := replicas(t, 2)
	one, two := all[0], all[1]
	events := one.subscribe("")
	last := next(t, events)[0]
	eventually(t, func() bool { return same(all) }, "the same lists")
	one.enrol("pump-1")
	signing, released := make(chan struct{}), make(chan struct{})
	one.WhileSigning(func() { close(signing); <-released })
	fell, err := one.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	<-signing
	eventually(t, func() bool { return two.Publisher.Delta().Number > fell.Number }, "the other one's")
	number := two.Publisher.Delta().Number
	close(released)
	eventually(t, func() bool { return one.Publisher.Delta().Number >= number && same(all) }, "the same lists")
	for last != strconv.FormatInt(one.Publisher.Delta().Number, 10) {
		id := next(t, events)[0]
		require.Greater(t, number64(t, id), number64(t, last))
		require.NotEqual(t, fell.Number+1, number64(t, id), "the number of who stood still")
		last = id
	}
}

func number64(t *testing.T, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return n
}

// What somebody wrote into the database in place of a list nobody serves, whatever
// number it claims; a new list takes its place, and replicas that start serve that.
func TestReplicasRefuse(t *testing.T) {
	all := replicas(t, 2, heartbeat(200*time.Millisecond))
	cert := all[0].revoke("pump-1")
	issuer := all[0].Authority.IssuerID()
	for _, kind := range []string{"delta", "full"} {
		old, err := all[0].Store.LatestCRL(t.Context(), issuer, kind)
		require.NoError(t, err)
		_, err = all[0].db().ReserveCRLNumbers(t.Context(), 1)
		require.NoError(t, err)
		for name, row := range map[string]store.CRL{
			"garbage":    {Number: old.Number + 100, DER: []byte("garbage")},
			"renumbered": {Number: math.MaxInt64, DER: old.DER},
		} {
			row.Issuer, row.Kind = issuer, kind
			eventually(t, func() bool { return same(all) }, "the same lists")
			row.ThisUpdate, row.NextUpdate = time.Now(), time.Now().Add(time.Hour)
			_, err := all[0].Store.PublishCRL(t.Context(), row, nil, nil)
			require.NoError(t, err)
			eventually(t, func() bool {
				now, err := all[0].Store.LatestCRL(t.Context(), issuer, kind)
				require.NoError(t, err)
				return now.Number < math.MaxInt64 && !bytes.Equal(now.DER, row.DER)
			}, name+" "+kind)
			for _, w := range all {
				require.True(t, has(w.open(w.Publisher.Full()), cert))
			}
			next := newWorld(t, all[0].CA, revoketest.OnStore(all[0].Replica(named(9))))
			require.True(t, has(next.open(next.Publisher.Full()), cert))
			require.LessOrEqual(t, next.open(next.Publisher.Delta()).Base(), next.Publisher.Full().Number)
			next.Stop()
		}
	}
}

// A list of which no word came is found by looking.
func TestReplicaLooks(t *testing.T) {
	one := replicas(t, 1)[0]
	number, err := one.Store.ReserveCRLNumbers(t.Context(), 1)
	require.NoError(t, err)
	this := time.Now().UTC().Truncate(time.Second)
	var der bytes.Buffer
	template := crl.Template{Number: number, Base: one.Publisher.Full().Number, ThisUpdate: this, NextUpdate: this.Add(time.Hour)}
	require.NoError(t, crl.Encode(&der, one.issuing, one.IssuingKey, template, crl.Set{}))
	kept, err := one.Store.PublishCRL(t.Context(), store.CRL{
		Issuer: one.Authority.IssuerID(), Kind: "delta", Number: number, Base: template.Base,
		ThisUpdate: this, NextUpdate: template.NextUpdate, DER: der.Bytes(),
	}, nil, nil)
	require.NoError(t, err)
	require.True(t, kept)
	eventually(t, func() bool { return one.Publisher.Delta().Number == number }, "the list")
	require.Equal(t, sha256.Sum256(der.Bytes()), one.Publisher.Delta().SHA256)
}

// While a replica may not know of what others revoke it answers tryLater, from its
// memory, too, pushes nothing, and Health says why; then it goes on.
func TestReplicaLapses(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	var proxy *storetest.Proxy
	far := c.Replica(named(0), func(conf *store.Config) { proxy, conf.DSN = storetest.NewProxy(t, conf.DSN) })
	one, two := newWorld(t, c, heartbeat(50*time.Millisecond), revoketest.OnStore(far)), newWorld(t, c, heartbeat(50*time.Millisecond), revoketest.OnStore(c.Replica(named(1))))
	cert, _ := two.enrol("pump-1")
	single, _ := one.ask(one.issuing, cert.SerialNumber.Bytes(), nil)
	require.Equal(t, ocsp.Good, single.Status)
	issuer, err := ocsp.NewIssuer(one.issuing)
	require.NoError(t, err)
	req, err := issuer.NewRequest(cert.SerialNumber.Bytes(), nil)
	require.NoError(t, err)
	answer := func() []byte { body, _ := one.post(req.Marshal()); return body }

	proxy.Stall()
	_, err = two.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	require.Equal(t, ocsp.TryLater.Response(), answer(), "it may have been revoked")
	require.Positive(t, one.Responder.Counts().Lapsed)
	require.ErrorContains(t, one.Publisher.Health(), "other daemons")
	require.Equal(t, store.TroubleLapsed, store.TroubleOf(one.Publisher.Health()))
	silent := one.Publisher.Delta().Number
	beats := two.Publisher.Delta().Number
	eventually(t, func() bool { return two.Publisher.Delta().Number > beats+5 }, "the other's heartbeats")
	require.Equal(t, silent, one.Publisher.Delta().Number)

	proxy.Resume()
	eventually(t, func() bool { return !bytes.Equal(answer(), ocsp.TryLater.Response()) }, "answers")
	single, _ = one.ask(one.issuing, cert.SerialNumber.Bytes(), nil)
	require.Equal(t, ocsp.Revoked, single.Status)
	eventually(t, func() bool { return one.Publisher.Delta().Number > beats && one.Publisher.Health() == nil }, "deltas")
}

// A replica whose clock is an hour ahead leaves lists to those whose clocks are right,
// though it is the eldest and revokes: no peer would take its own. It says so, and
// signs when it is the only one that is left.
func TestReplicaWithAWrongClock(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	ahead := func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) {
		p.Clock = revoke.ClockOf(func() time.Time { return time.Now().Add(time.Hour) })
	}
	one := newWorld(t, c, heartbeat(100*time.Millisecond), revoketest.OnStore(c.Replica(named(0))), ahead)
	eventually(t, one.db().Eldest, "the eldest")
	two := newWorld(t, c, heartbeat(100*time.Millisecond), revoketest.OnStore(c.Replica(named(1))))
	all := []*world{one, two}
	right := func() bool {
		for _, w := range all {
			for _, doc := range []*revoke.Document{w.Publisher.Full(), w.Publisher.Delta()} {
				if doc.ThisUpdate.After(time.Now().Add(crl.MaxAhead)) {
					return false
				}
			}
		}
		return true
	}
	eventually(t, func() bool { return right() && same(all) }, "lists of the right time")
	require.Equal(t, store.TroubleClock, store.TroubleOf(one.Publisher.Health()))
	require.NoError(t, two.Publisher.Health())
	for i := range 3 {
		name := fmt.Sprintf("pump-%d", i)
		cert, _ := one.enrol(name)
		_, err := one.Revoker.Identity(t.Context(), root, "device/"+name, orders)
		require.NoError(t, err)
		eventually(t, func() bool { return has(one.open(one.Publisher.Delta()), cert) && same(all) }, "a delta")
		require.True(t, right())
	}
	two.Stop()
	require.NoError(t, two.db().Close())
	last := one.Publisher.Delta().Number
	eventually(t, func() bool { return one.Publisher.Delta().Number > last+3 }, "its own")
}

// A replica whose clock has jumped signs nothing and answers nothing, and goes on
// serving what others sign.
func TestReplicaClockJumps(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	var jumped atomic.Int64
	jumping := func(p *revoke.PublisherConfig, r *revoke.ResponderConfig) {
		p.Clock = revoke.JumpingClock(func() time.Time { return time.Now().Add(time.Duration(jumped.Load())) })
		r.Clock = p.Clock
	}
	one := newWorld(t, c, revoketest.OnStore(c.Replica(named(0))), jumping)
	two := newWorld(t, c, revoketest.OnStore(c.Replica(named(1))))
	cert, _ := two.enrol("pump-1")
	jumped.Store(int64(-2 * time.Hour))
	_, err := two.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return has(one.open(one.Publisher.Delta()), cert) && same([]*world{one, two}) }, "the other's lists")
	require.ErrorIs(t, one.Publisher.Health(), revoke.ErrClock)
	require.Equal(t, store.TroubleClock, store.TroubleOf(one.Publisher.Health()))
	issuer, err := ocsp.NewIssuer(one.issuing)
	require.NoError(t, err)
	req, err := issuer.NewRequest(cert.SerialNumber.Bytes(), nil)
	require.NoError(t, err)
	body, _ := one.post(req.Marshal())
	require.Equal(t, ocsp.TryLater.Response(), body)
}
