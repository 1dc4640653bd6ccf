package revoke_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
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

// lists are the deltas that subscribers saw.
type lists struct {
	mu       sync.Mutex
	byNumber map[int64][]byte
}

func (l *lists) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byNumber)
}

// see notes a list, and fails if it is not newer than last, or another one of its number.
func (l *lists) see(t *testing.T, where string, last, number int64, der []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number <= last {
		t.Errorf("%s: %d after %d", where, number, last)
	}
	if other := l.byNumber[number]; other != nil && !bytes.Equal(other, der) {
		t.Errorf("two lists have number %d", number)
	}
	l.byNumber[number] = der
}

// watch reads so many events off the stream, and returns the last number.
func (w *world) watch(ctx context.Context, seen *lists, last int64, events int) int64 {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.lists+"/stream", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return last // it died
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	number := int64(0)
	for events > 0 && lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			number, _ = strconv.ParseInt(value, 10, 64)
		case "data":
			der, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				w.t.Error(err)
			}
			seen.see(w.t, w.URL, last, number, der)
			last = number
			events--
		}
	}
	return last
}

// poll asks for one list.
func (w *world) poll(ctx context.Context, seen *lists, last int64) int64 {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.lists+"/poll?after="+strconv.FormatInt(last, 10), nil)
	if err != nil {
		panic(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return last
	}
	defer resp.Body.Close()
	var der bytes.Buffer
	if _, err := der.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return last
	}
	number, _ := strconv.ParseInt(resp.Header.Get("Betonica-CRL-Number"), 10, 64)
	seen.see(w.t, w.URL+"/poll", last, number, der.Bytes())
	return number
}

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

// Replicas serve the same shards, and the file of each, whoever signed them.
func TestReplicasShards(t *testing.T) {
	all := replicas(t, 2, spread(budget))
	all[0].crowd("crowd", 9)
	cert := all[0].enrolSharded("pump")
	eventually(t, func() bool { return all[1].Authority.Shards() == 8 }, "8 shards")
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
