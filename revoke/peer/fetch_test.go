package peer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// A list that is longer than it should be, or than it says, is not read, and costs
// no memory: not even where it says itself that it has 2 GB.
func TestListTooLong(t *testing.T) {
	ca := peertest.New(t)
	full := fmt.Sprintf("/crl/%x/full.crl", ca.Intermediate().SubjectKeyId)
	for name, send := range map[string]func(http.ResponseWriter, []byte){
		"longer than MaxList":  func(w http.ResponseWriter, der []byte) { w.Write(append(der, make([]byte, 4096)...)) },
		"more behind it":       func(w http.ResponseWriter, der []byte) { w.Write(append(der, 0)) },
		"more, in chunks":      func(w http.ResponseWriter, der []byte) { w.Write(der); w.(http.Flusher).Flush(); w.Write([]byte{0}) },
		"less than it says":    func(w http.ResponseWriter, der []byte) { w.Write(der[:len(der)-1]) },
		"says that it is huge": func(w http.ResponseWriter, der []byte) { w.Write([]byte("\x30\x84\x7f\xff\xff\xff\x30\x82")) },
		"huge, in chunks": func(w http.ResponseWriter, der []byte) {
			w.Write([]byte("\x30\x84\x7f\xff\xff\xff"))
			w.(http.Flusher).Flush()
			w.Write(der)
		},
		"header of 2 GB": func(w http.ResponseWriter, der []byte) {
			w.Header().Set("Content-Length", strconv.Itoa(2<<30))
			w.Write(der)
		},
		"indefinite length": func(w http.ResponseWriter, der []byte) { w.Write([]byte("\x30\x80\x30\x80\x00\x00\x00\x00")) },
		"nothing":           func(w http.ResponseWriter, der []byte) {},
	} {
		t.Run(name, func(t *testing.T) {
			front := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != full {
					return false
				}
				inner := httptest.NewRecorder()
				ca.ServeHTTP(inner, r)
				send(w, inner.Body.Bytes())
				return true
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			gateway := openAt(t, ca.Identity("device/gw"), at(front.URL), func(c *peer.Config) { c.MaxList = 2000 })
			runtime.ReadMemStats(&after)
			require.Zero(t, gateway.Number())
			require.True(t, gateway.events.has(peer.BadList))
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
		})
	}
}

// A list on disk that is longer than it may be by now is as if it were not there.
func TestListOnDiskTooLong(t *testing.T) {
	ca := peertest.New(t)
	ca.RevokeMany(100)
	id, dir := ca.Identity("device/gw"), t.TempDir()
	here := func(c *peer.Config) { c.State = dir }
	first := openAt(t, id, here)
	require.NoError(t, first.Fresh())
	require.NoError(t, first.Close())
	ca.Stop()
	second := openAt(t, id, here, func(c *peer.Config) { c.MaxList = 1000 })
	require.Error(t, second.Fresh())
	require.True(t, second.events.has(peer.BadList))
}

// 10,000 revoked certificates cost a peer less than 1 MB, the DER that they came in
// included.
func TestMemory(t *testing.T) {
	ca := peertest.New(t)
	ca.RevokeMany(10_000)
	id, dir := ca.Identity("device/gw"), t.TempDir()
	heap := func() uint64 {
		for range 3 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	empty := openAt(t, id, func(c *peer.Config) { c.MaxList = 1000 }) // what a peer costs without
	require.NoError(t, empty.Close())
	before := heap()
	gateway := openAt(t, id, func(c *peer.Config) { c.State = dir })
	require.NoError(t, gateway.Fresh())
	after := heap()
	t.Logf("10,000 revoked: %d bytes", int64(after)-int64(before))
	require.Less(t, int64(after)-int64(before), int64(1<<20))
	runtime.KeepAlive(gateway)
}

// A man in the middle who lets nothing through after a revocation gains MaxAge at
// most: then who is connected is cut, and nobody gets in.
func TestBlocked(t *testing.T) {
	ca := peertest.New(t)
	var blocked atomic.Bool
	front := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
		if blocked.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	var ahead atomic.Int64
	const maxAge = time.Hour
	gateway := openAt(t, ca.Identity("device/gw"), at(front.URL), func(c *peer.Config) {
		c.MaxAge = maxAge
		c.Heartbeat = 50 * time.Millisecond
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	pump := openAt(t, ca.Identity("device/pump-1"))
	address := gateway.listen(t)
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	blocked.Store(true)
	front.CloseClientConnections()
	ca.Revoke(pump.who)
	await(t, "the alarm", func() bool { return gateway.events.has(peer.Silent) })
	ahead.Store(int64(maxAge - time.Minute))
	require.NoError(t, call(c), "what is not known is not enforced")
	ahead.Store(int64(maxAge + time.Second))
	_, err = pump.connect(t, address)
	require.Error(t, err)
	cut(t, c)
	require.True(t, gateway.events.has(peer.Stale))
}

// A CA whose clock jumps ahead poisons nobody: its lists of the future are not
// taken, so that those of its right clock are, later. One whose clock jumps back is
// believed in what it revokes, and OCSP is asked about the rest.
func TestClockJumps(t *testing.T) {
	ca := peertest.New(t)
	gateway, pump := openAt(t, ca.Identity("device/gw")), openAt(t, ca.Identity("device/pump-1"))
	other := openAt(t, ca.Identity("device/pump-2"))
	address := gateway.listen(t)
	await(t, "the stream", func() bool { return gateway.events.has(peer.Connected) })
	number := gateway.Number()
	ca.Shift(365 * 24 * time.Hour)
	ca.Beat()
	await(t, "the refusal", func() bool { return gateway.events.has(peer.BadList) })
	require.Equal(t, number, gateway.Number())
	require.NoError(t, gateway.Fresh())
	ca.Shift(0)
	beat := ca.Beat()
	await(t, "the right clock", func() bool { return gateway.Number() >= beat })

	c, err := pump.connect(t, address)
	require.NoError(t, err)
	ca.Shift(-5 * time.Hour)
	ca.Revoke(pump.who)
	cut(t, c)
	_, err = pump.connect(t, address)
	require.Error(t, err)
	require.Error(t, gateway.Fresh(), "older than MaxAge")
	ca.Shift(0) // the responder's
	_, err = other.connect(t, address)
	require.NoError(t, err)
	require.NotZero(t, gateway.Stats().Asked)
}

// Lists that nest, or that say what BER allows and DER does not, are refused in
// time that their length bounds.
func TestTrickyLists(t *testing.T) {
	ca := peertest.New(t)
	gateway := openAt(t, ca.Identity("device/gw"))
	number := gateway.Number()
	good := get(t, ca.URL+fmt.Sprintf("/crl/%x/full.crl", ca.Intermediate().SubjectKeyId))
	deep := strings.Repeat("\x30\x84\x00\x0f\xff\xf0", 1<<16)
	for name, der := range map[string]string{
		"nested":              deep,
		"indefinite":          "\x30\x80" + string(good[4:]) + "\x00\x00",
		"length too long":     "\x30\x83\x00" + string(good[2:4]) + string(good[4:]),
		"trailing":            string(good) + "\x00",
		"empty":               "",
		"a million integers":  "\x30\x83\x2d\xc6\xc0" + strings.Repeat("\x02\x01\x00", 1_000_000),
		"truncated":           string(good[:len(good)-1]),
		"flipped in the name": string(good[:40]) + string([]byte{good[40] ^ 1}) + string(good[41:]),
	} {
		require.Error(t, gateway.Take([]byte(der)), name)
	}
	require.Equal(t, number, gateway.Number())
}
