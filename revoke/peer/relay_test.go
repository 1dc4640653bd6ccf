package peer_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// A neighbour that hears of revocations from a relay only, and not from the CA,
// enforces them; it fetches not one list of the intermediate from the CA.
func TestRelay(t *testing.T) {
	ca := peertest.New(t)
	relay := openAt(t, ca.Identity("device/relay"))
	server := serve(t, relay.Relay())
	var direct atomic.Int64
	issuing := fmt.Sprintf("%x", ca.Intermediate().SubjectKeyId)
	front := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, issuing) {
			direct.Add(1)
		}
		return false
	})
	gateway, pump := openAt(t, ca.Identity("device/gw"), at(front.URL, server.URL)), openAt(t, ca.Identity("device/pump-1"))
	require.NoError(t, gateway.Fresh())
	alone := openAt(t, ca.Identity("device/gw-2"), at(server.URL), func(c *peer.Config) { c.OCSP = ca.URL + "/ocsp" })
	require.NoError(t, alone.Fresh())
	c, err := pump.connect(t, gateway.listen(t))
	require.NoError(t, err)
	await(t, "the stream", func() bool { return gateway.events.has(peer.Connected) && alone.events.has(peer.Connected) })
	number := ca.Revoke(pump.who)
	cut(t, c)
	await(t, "the other neighbour", func() bool { return alone.Number() >= number })
	ca.Rebase() // a full list that neither the relay nor its neighbours hold
	number = ca.Beat()
	await(t, "the new base", func() bool { return gateway.Number() >= number && alone.Number() >= number })
	require.Zero(t, direct.Load())
}

// What a relay serves is what the CA signed, to the byte, by stream, by poll and by
// file; an issuer that is not held is not there.
func TestRelayBytes(t *testing.T) {
	ca := peertest.New(t)
	relay := openAt(t, ca.Identity("device/relay"))
	server := serve(t, relay.Relay())
	number := ca.Beat()
	await(t, "the beat", func() bool { return relay.Number() >= number })
	var bundle []byte
	for _, path := range []string{"delta.crl", "full.crl", "poll"} {
		path = fmt.Sprintf("/crl/%x/%s", ca.Intermediate().SubjectKeyId, path)
		want := get(t, ca.URL+path)
		require.Equal(t, want, get(t, server.URL+path), path)
		if strings.HasSuffix(path, "full.crl") {
			bundle = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: want})
		}
	}
	for _, i := range relay.Issuers() {
		if i.Root {
			root := get(t, ca.URL+"/crl/"+i.ID+"/full.crl")
			require.Equal(t, root, get(t, server.URL+"/crl/"+i.ID+"/full.crl"))
			bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: root})...)
		}
	}
	require.Equal(t, string(bundle), string(get(t, server.URL+"/chain.crl.pem")))
	resp, err := http.Get(server.URL + "/crl/00/full.crl")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// A relay that is gone, lies, holds back, goes back, stalls or sends what is none
// of it can only withhold: nothing false is enforced, and after three heartbeats
// the peer goes on to the next address, and hears of the revocation there.
func TestBadRelay(t *testing.T) {
	ca := peertest.New(t)
	ca.BeatEvery(20 * time.Millisecond)
	old := &recorder{seen: map[string][]byte{}}
	old.record(t, ca)
	for name, bad := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"holds back": old.serve,
		"lies": func(w http.ResponseWriter, r *http.Request) bool {
			inner := httptest.NewRecorder()
			if strings.HasSuffix(r.URL.Path, ".crl") {
				ca.ServeHTTP(inner, r)
				body := inner.Body.Bytes()
				body[len(body)/2] ^= 1
				w.Write(body)
				return true
			}
			http.NotFound(w, r)
			return true
		},
		"stalls": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/stream") || strings.HasSuffix(r.URL.Path, "/poll") {
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return true
			}
			return old.serve(w, r)
		},
		"sends garbage": func(w http.ResponseWriter, r *http.Request) bool {
			for range 100 {
				io.WriteString(w, "event: delta\ndata: \x00\xff\n\n\x30\x84\x7f\xff\xff\xff")
			}
			return true
		},
		"has huge lists": func(w http.ResponseWriter, r *http.Request) bool {
			w.Write([]byte("\x30\x84\x7f\xff\xff\xff"))
			io.CopyN(w, endless{}, 1<<30)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			relay := newFront(t, ca, bad)
			gateway := openAt(t, ca.Identity("device/gw"), at(ca.URL, relay.URL), func(c *peer.Config) { c.Heartbeat = 200 * time.Millisecond })
			pump := openAt(t, ca.Identity("device/pump-1"))
			before := gateway.Number()
			c, err := pump.connect(t, gateway.listen(t))
			require.NoError(t, err)
			ca.Revoke(pump.who)
			cut(t, c)
			require.Greater(t, gateway.Number(), before)
			require.True(t, gateway.events.has(peer.Switched))
			require.Equal(t, ca.URL, gateway.Issuers()[1].URL)
		})
	}
	gone := openAt(t, ca.Identity("device/gw"), at(ca.URL, "http://127.0.0.1:1"))
	require.NoError(t, gone.Fresh())
}

// What is known is never taken back: a relay that serves lists of before the
// revocation leaves it in force.
func TestRelayGoesBack(t *testing.T) {
	ca := peertest.New(t)
	var back atomic.Bool
	old := &recorder{seen: map[string][]byte{}}
	old.record(t, ca)
	relay := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool { return back.Load() && old.serve(w, r) })
	gateway := openAt(t, ca.Identity("device/gw"), at(relay.URL), func(c *peer.Config) { c.Heartbeat = 50 * time.Millisecond })
	pump := openAt(t, ca.Identity("device/pump-1"))
	address := gateway.listen(t)
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	number := ca.Revoke(pump.who)
	cut(t, c)
	back.Store(true)
	relay.CloseClientConnections()
	heard := gateway.events.count(peer.Silent)
	await(t, "the old lists", func() bool { return gateway.events.count(peer.Silent) > heard+2 })
	require.GreaterOrEqual(t, gateway.Number(), number)
	_, err = pump.connect(t, address)
	require.Error(t, err)
}

// Behind a proxy that holds the stream back the peer polls, and hears of a
// revocation at once.
func TestPoll(t *testing.T) {
	ca := peertest.New(t)
	ca.BeatEvery(20 * time.Millisecond)
	front := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			<-r.Context().Done()
			return true
		}
		return false
	})
	gateway := openAt(t, ca.Identity("device/gw"), at(front.URL), func(c *peer.Config) { c.Heartbeat = 100 * time.Millisecond })
	pump := openAt(t, ca.Identity("device/pump-1"))
	c, err := pump.connect(t, gateway.listen(t))
	require.NoError(t, err)
	await(t, "polls", func() bool { return gateway.events.has(peer.Polling) })
	silences, number := gateway.events.count(peer.Silent), gateway.Number()
	await(t, "beats", func() bool { return gateway.Number() > number+20 })
	require.Equal(t, silences, gateway.events.count(peer.Silent), "polls do not break off")
	ca.Revoke(pump.who)
	cut(t, c)
}

// A recorder has the lists of one moment, and serves them for ever.
type recorder struct {
	mu   sync.Mutex
	seen map[string][]byte
}

func (o *recorder) record(t *testing.T, ca *peertest.CA) {
	t.Helper()
	id := fmt.Sprintf("%x", ca.Intermediate().SubjectKeyId)
	for _, file := range []string{"full.crl", "delta.crl"} {
		o.seen["/crl/"+id+"/"+file] = get(t, ca.URL+"/crl/"+id+"/"+file)
	}
}

// serve answers with the old lists, on the stream too.
func (o *recorder) serve(w http.ResponseWriter, r *http.Request) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if der := o.seen[r.URL.Path]; der != nil {
		w.Write(der)
		return true
	}
	base, _, _ := bytes.Cut([]byte(r.URL.Path), []byte("/stream"))
	if der := o.seen[string(base)+"/delta.crl"]; der != nil {
		fmt.Fprintf(w, "event: delta\ndata: %s\n\n", base64Of(der))
		return true
	}
	return false
}

// endless has no end.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, url)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return body
}
