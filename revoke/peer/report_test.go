package peer_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// A registry takes reports, as the CA's HTTPS listener does.
type registry struct {
	URL   string
	block chan struct{} // nil: answers at once
	fails atomic.Int64  // so many are refused first

	behind atomic.Bool // it never signed such a number

	mu       sync.Mutex
	all      []said
	callers  map[string]bool // TCP connections
	inFlight atomic.Int64
	most     atomic.Int64
}

type said struct {
	By          string    `json:"-"`
	Issuer      string    `json:"issuer"`
	Number      int64     `json:"number"`
	EnforcedAt  time.Time `json:"enforced_at"`
	Connections *int      `json:"connections"`
	MaxAge      int64     `json:"max_age"`
}

func newRegistry(t *testing.T, who *peertest.Identity, block chan struct{}) *registry {
	t.Helper()
	r := &registry{block: block, callers: map[string]bool{}}
	s := httptest.NewUnstartedServer(r)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*who.Certificate()}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2", "http/1.1"}}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	r.URL = s.URL
	return r
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.most.Store(max(r.most.Load(), r.inFlight.Add(1)))
	defer r.inFlight.Add(-1)
	var s said
	dec := json.NewDecoder(req.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil || req.URL.Path != "/v1/enforcement" || req.Method != http.MethodPost {
		http.Error(w, "no report", http.StatusBadRequest)
		return
	}
	if r.fails.Add(-1) >= 0 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	if r.behind.Load() {
		http.Error(w, "never signed", http.StatusConflict)
		return
	}
	s.By = req.TLS.PeerCertificates[0].URIs[0].String()
	r.mu.Lock()
	r.all = append(r.all, s)
	r.callers[req.RemoteAddr] = true
	r.mu.Unlock()
	if r.block != nil {
		<-r.block
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *registry) last() said {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return said{}
	}
	return r.all[len(r.all)-1]
}

func reportTo(r *registry) func(*peer.Config) { return func(c *peer.Config) { c.Report = r.URL } }

// The CA hears which list is enforced, from the machine itself, when it begins and
// at once after a delta that names somebody; a delta that names nobody new is not
// worth a report. All go over one connection.
func TestReport(t *testing.T) {
	ca := peertest.New(t)
	r := newRegistry(t, ca.Identity("ca/one"), nil)
	gateway, pump := openAt(t, ca.Identity("device/gw"), reportTo(r)), openAt(t, ca.Identity("device/pump-1"))
	await(t, "the first report", func() bool { return r.last().Number == gateway.Number() })
	before := time.Now()
	number := ca.Revoke(pump.who)
	await(t, "the report", func() bool { return r.last().Number == number })
	s := r.last()
	require.Equal(t, gateway.who.ID(), s.By)
	require.Equal(t, gateway.Issuers()[1].ID, s.Issuer)
	require.WithinRange(t, s.EnforcedAt, before.Add(-time.Millisecond), time.Now())
	require.NotNil(t, s.Connections)
	require.EqualValues(t, 4*3600, s.MaxAge, "the default")
	beat := ca.Beat()
	await(t, "the beat", func() bool { return gateway.Number() == beat })
	number = ca.Revoke(ca.Identity("device/pump-2"))
	await(t, "the next report", func() bool { return r.last().Number == number })
	require.Len(t, r.all, 3)
	require.Len(t, r.callers, 1)
	await(t, "the event", func() bool { return gateway.events.count(peer.Reported) == 3 })

	ca.Rotate() // a list of another issuer is another report
	other := openAt(t, ca.Identity("device/pump-3"))
	c, err := other.connect(t, gateway.listen(t))
	require.NoError(t, err)
	issuer := fmt.Sprintf("%x", ca.Intermediate().SubjectKeyId)
	await(t, "the new issuer's", func() bool { return r.last().Issuer == issuer })
	await(t, "the stream", func() bool { return gateway.events.count(peer.Connected) == 2 })
	ca.Beat()
	number = ca.Revoke(other.who)
	cut(t, c)
	await(t, "the last report", func() bool { return r.last().Number == number })
	require.Equal(t, issuer, r.last().Issuer)
	require.Len(t, r.all, 5, "none of the issuer that had a heartbeat only")
}

// A CA that does not answer delays no revocation. One report is under way at a time,
// and the next one says what is newest then.
func TestReportNewestWins(t *testing.T) {
	ca := peertest.New(t)
	r := newRegistry(t, ca.Identity("ca/one"), make(chan struct{}))
	gateway := openAt(t, ca.Identity("device/gw"), reportTo(r))
	address := gateway.listen(t)
	await(t, "the first report", func() bool { return r.last().Number > 0 })
	var number int64
	for _, name := range []string{"device/pump-1", "device/pump-2", "device/pump-3"} {
		pump := openAt(t, ca.Identity(name))
		c, err := pump.connect(t, address)
		require.NoError(t, err)
		number = ca.Revoke(pump.who)
		cut(t, c)
	}
	require.Len(t, r.all, 1)
	close(r.block)
	await(t, "the report", func() bool { return r.last().Number == number })
	require.Len(t, r.all, 2)
	require.EqualValues(t, 1, r.most.Load())
}

// A report that fails is repeated.
func TestReportAgain(t *testing.T) {
	ca := peertest.New(t)
	r := newRegistry(t, ca.Identity("ca/one"), nil)
	r.fails.Store(1)
	gateway := openAt(t, ca.Identity("device/gw"), reportTo(r))
	await(t, "the report", func() bool { return r.last().Number == gateway.Number() })
	require.True(t, gateway.events.has(peer.Unreported))
}

// Nobody is told but the CA: a server whose certificate is another machine's, another
// CA's, or revoked, hears nothing.
func TestReportToCAOnly(t *testing.T) {
	ca, other := peertest.New(t), peertest.New(t)
	fallen := ca.Identity("ca/fallen")
	ca.Revoke(fallen)
	for _, who := range []*peertest.Identity{ca.Identity("device/one"), other.Identity("ca/one"), fallen} {
		r := newRegistry(t, who, nil)
		gateway := openAt(t, ca.Identity("device/gw"), reportTo(r))
		await(t, "a refusal", func() bool { return gateway.events.has(peer.Unreported) })
		require.Zero(t, r.last(), who.ID())
	}
}

// A machine that renewed says so: reports come under the new certificate.
func TestReportRenewed(t *testing.T) {
	ca := peertest.New(t)
	r := newRegistry(t, ca.Identity("ca/one"), nil)
	gateway := openAt(t, ca.Identity("device/gw"), reportTo(r))
	await(t, "the first report", func() bool { return r.last().Number > 0 })
	gateway.who.Renew()
	number := ca.Revoke(ca.Identity("device/pump-1"))
	await(t, "the report", func() bool { return r.last().Number == number })
	require.Len(t, r.callers, 2)
}
