package peer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// Chains of an intermediate that the machine never heard of are judged by its list
// from the first moment: who is revoked is cut and refused, and others are not.
func TestIssuerMet(t *testing.T) {
	ca := peertest.New(t)
	gateway := openAt(t, ca.Identity("device/gw"))
	ca.Rotate()
	pump, other := openAt(t, ca.Identity("device/pump-1")), openAt(t, ca.Identity("device/pump-2"))
	address := gateway.listen(t)
	bad, err := pump.connect(t, address)
	require.NoError(t, err)
	good, err := other.connect(t, address)
	require.NoError(t, err)
	require.True(t, gateway.events.has(peer.Met))
	await(t, "the new issuer's list", func() bool { return issuerOf(gateway, ca.Intermediate().Subject.CommonName).Err == nil })
	await(t, "the stream", func() bool { return gateway.events.count(peer.Connected) == 2 })

	ca.Revoke(pump.who)
	cut(t, bad)
	_, err = pump.connect(t, address)
	require.Error(t, err)
	require.NoError(t, call(good))
}

// Until there is a list of a new issuer OCSP decides, and where that is silent
// nobody gets in: it fails closed.
func TestIssuerMetFailsClosed(t *testing.T) {
	ca := peertest.New(t)
	var later atomic.Value // key id
	later.Store("none")
	var mute atomic.Bool
	front := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, later.Load().(string)) || mute.Load() && r.URL.Path == "/ocsp" {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	gateway := openAt(t, ca.Identity("device/gw"), at(front.URL))
	ca.Rotate()
	later.Store(fmt.Sprintf("%x", ca.Intermediate().SubjectKeyId))
	address := gateway.listen(t)
	pump, gone := openAt(t, ca.Identity("device/pump-1")), openAt(t, ca.Identity("device/pump-2"))
	_, err := pump.connect(t, address)
	require.NoError(t, err, "OCSP says good")
	ca.Revoke(gone.who)
	_, err = gone.connect(t, address)
	require.Error(t, err, "OCSP says revoked")
	mute.Store(true)
	_, err = pump.connect(t, address)
	require.Error(t, err)
}

// A machine that is renewed under another intermediate follows that one, too,
// without a restart.
func TestRenewedElsewhere(t *testing.T) {
	ca := peertest.New(t)
	gateway, pump := openAt(t, ca.Identity("device/gw")), openAt(t, ca.Identity("device/pump-1"))
	address := gateway.listen(t)
	ca.Rotate()
	gateway.who.Renew()
	await(t, "the new issuer", func() bool {
		i := gateway.Issuers()
		return gateway.events.has(peer.Rechained) && i[0].Own && i[1].Own && i[1].Name == ca.Intermediate().Subject.CommonName
	})
	await(t, "its list", func() bool { return gateway.Fresh() == nil })
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	number := ca.Revoke(pump.who) // of the issuer before
	cut(t, c)
	require.Less(t, gateway.Number(), number, "that is of the new issuer's list")
}

// A root's list cuts what a revoked intermediate issued, without waiting for the
// hour: its streams end, and that is when the root's list is looked at.
func TestRevokedIntermediate(t *testing.T) {
	ca := peertest.New(t)
	gateway, pump := openAt(t, ca.Identity("device/gw")), openAt(t, ca.Identity("device/pump-1"))
	fallen := ca.Intermediate()
	ca.Rotate()
	gateway.who.Renew()
	other := openAt(t, ca.Identity("device/pump-2"))
	address := gateway.listen(t)
	bad, err := pump.connect(t, address)
	require.NoError(t, err)
	good, err := other.connect(t, address)
	require.NoError(t, err)
	await(t, "the streams", func() bool { return gateway.events.count(peer.Connected) == 2 })
	ca.RevokeIntermediate(fallen)
	cut(t, bad)
	_, err = pump.connect(t, address)
	require.Error(t, err)
	require.NoError(t, call(good))
}

// A restart while the CA is away knows all issuers that were met before; one from
// before machines remembered issuers knows its own.
func TestIssuersRestart(t *testing.T) {
	ca := peertest.New(t)
	id, dir := ca.Identity("device/gw"), t.TempDir()
	old := openAt(t, ca.Identity("device/pump-0"))
	ca.Rotate()
	pump, gone := openAt(t, ca.Identity("device/pump-1")), openAt(t, ca.Identity("device/pump-2"))
	here := func(c *peer.Config) { c.State = dir }
	first := openAt(t, id, here)
	_, err := pump.connect(t, first.listen(t))
	require.NoError(t, err)
	name := ca.Intermediate().Subject.CommonName
	number := ca.Revoke(gone.who)
	await(t, "the revocation", func() bool { return issuerOf(first, name).Number >= number })
	for _, m := range []*machine{old, pump, first} {
		await(t, "all lists", func() bool {
			return !slices.ContainsFunc(m.Issuers(), func(i peer.Issuer) bool { return i.Err != nil })
		})
	}
	require.NoError(t, first.Close())
	ca.Stop()

	second := openAt(t, id, here)
	address := second.listen(t)
	for _, m := range []*machine{old, pump} {
		_, err = m.connect(t, address)
		require.NoError(t, err)
	}
	_, err = gone.connect(t, address)
	require.Error(t, err)
	require.NoError(t, second.Close())

	files, err := filepath.Glob(filepath.Join(dir, "*.cer"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, f := range files {
		require.NoError(t, os.Remove(f))
	}
	third := openAt(t, id, here)
	require.NoError(t, third.Fresh())
	_, err = old.connect(t, third.listen(t))
	require.NoError(t, err)
}

// The lists of at most 16 issuers are held. Those that nobody needed for longest go,
// from the disk too, and never those of the machine itself; while all are needed,
// the others are judged by OCSP.
func TestIssuersBounded(t *testing.T) {
	ca := peertest.New(t)
	var ahead atomic.Int64
	dir := t.TempDir()
	gateway := openAt(t, ca.Identity("device/gw"), func(c *peer.Config) {
		c.State = dir
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	address := gateway.listen(t)
	come := func(n int) (*machine, error) {
		ca.Rotate()
		m := openAt(t, ca.Identity(fmt.Sprintf("device/pump-%d", n)))
		c, err := m.connect(t, address)
		if err == nil {
			c.Close()
		}
		return m, err
	}
	for n := range 15 {
		m, err := come(n)
		require.NoError(t, err, n)
		m.Close()
	}
	require.Len(t, gateway.Issuers(), 16)
	require.False(t, gateway.events.has(peer.Forgotten))
	last, err := come(15)
	require.NoError(t, err, "by OCSP")
	require.Len(t, gateway.Issuers(), 16)
	ca.Revoke(last.who)
	_, err = last.connect(t, address)
	require.Error(t, err)

	ahead.Store(int64(2 * time.Minute))
	ca.Shift(2 * time.Minute)
	_, err = come(16)
	require.NoError(t, err)
	require.True(t, gateway.events.has(peer.Forgotten))
	held := gateway.Issuers()
	require.Len(t, held, 16)
	require.True(t, held[0].Own && held[1].Own)
	require.Equal(t, ca.Intermediate().Subject.CommonName, held[15].Name)
	await(t, "the new issuer's file", func() bool {
		_, err := os.Stat(filepath.Join(dir, held[15].ID+".cer"))
		return err == nil
	})
	files, err := filepath.Glob(filepath.Join(dir, "*.cer"))
	require.NoError(t, err)
	require.Len(t, files, 16)
	_, err = last.connect(t, address)
	require.Error(t, err)
}

// An issuer that has retired, and that nobody comes with any more, is not asked for
// its list for ever; one whose machines still come is.
func TestRetired(t *testing.T) {
	ca := peertest.New(t)
	var ahead atomic.Int64
	pump := openAt(t, ca.Identity("device/pump-1"))
	retired := ca.Intermediate().Subject.CommonName
	ca.Rotate()
	gateway := openAt(t, ca.Identity("device/gw"), func(c *peer.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	c, err := pump.connect(t, gateway.listen(t))
	require.NoError(t, err)
	await(t, "the list", func() bool { return issuerOf(gateway, retired).Err == nil })
	ca.Shift(5 * time.Hour)
	ahead.Store(int64(5 * time.Hour)) // the list is too old now; a connection needs it
	await(t, "a look at connections", func() bool { return gateway.events.has(peer.Stale) })
	require.NoError(t, call(c))
	require.Len(t, gateway.Issuers(), 3)
	require.NoError(t, c.Close())
	await(t, "the end of the connection", func() bool { return gateway.Connections() == 0 })
	ahead.Store(int64(7 * time.Hour))
	await(t, "the end of the issuer", func() bool { return gateway.events.has(peer.Forgotten) })
	require.Len(t, gateway.Issuers(), 2)
}

// A chain that ends in another root opens no list.
func TestStrangersOpenNothing(t *testing.T) {
	ca, other := peertest.New(t), peertest.New(t)
	gateway, stranger := openAt(t, ca.Identity("device/gw")), openAt(t, other.Identity("device/gw"))
	_, err := stranger.connect(t, gateway.listen(t))
	require.Error(t, err)
	require.Len(t, gateway.Issuers(), 2)
}

// newFront serves what ca does, but for requests that first answers itself: it
// reports whether it did.
func newFront(t *testing.T, ca *peertest.CA, first func(http.ResponseWriter, *http.Request) bool) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !first(w, r) {
			ca.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func at(url string, relays ...string) func(*peer.Config) {
	return func(c *peer.Config) { c.URL, c.Relays = url, relays }
}

func issuerOf(m *machine, name string) peer.Issuer {
	for _, i := range m.Issuers() {
		if i.Name == name {
			return i
		}
	}
	return peer.Issuer{Err: fmt.Errorf("%s is not held", name)}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 20*time.Second, 5*time.Millisecond, what)
}
