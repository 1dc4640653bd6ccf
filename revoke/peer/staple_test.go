package peer_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

func stapling(c *peer.Config) { c.Staple = true }

// A server staples an OCSP answer about itself, that openssl finds good.
func TestStaple(t *testing.T) {
	ca := peertest.New(t)
	gateway := openAt(t, ca.Identity("device/gw"), stapling)
	await(t, "the staple", func() bool { return gateway.events.has(peer.Stapled) })
	address := gateway.listen(t)
	pump := openAt(t, ca.Identity("device/pump-1"))
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	require.NotEmpty(t, c.ConnectionState().OCSPResponse)

	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	issuer := filepath.Join(t.TempDir(), "issuer.pem")
	require.NoError(t, os.WriteFile(issuer, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Intermediate().Raw}), 0o600))
	cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", address, "-status", "-CAfile", issuer, "-partial_chain")
	out, _ := cmd.CombinedOutput() // it fails: it has no certificate of its own
	require.Contains(t, string(out), "OCSP Response Status: successful")
	require.Contains(t, string(out), "Cert Status: good")
}

// Where a peer has no list to go by and cannot ask, the other end's staple decides:
// for servers and for clients, until it is too old; without one nobody gets in.
func TestStapleTaken(t *testing.T) {
	for _, server := range []bool{true, false} {
		t.Run(fmt.Sprintf("server %t", server), func(t *testing.T) {
			ca := peertest.New(t)
			issuing := fmt.Sprintf("%x", ca.Intermediate().SubjectKeyId)
			island := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/ocsp" || strings.Contains(r.URL.Path, issuing) {
					http.Error(w, "not from here", http.StatusServiceUnavailable)
					return true
				}
				return false
			})
			var ahead atomic.Int64
			alone := openAt(t, ca.Identity("device/alone"), at(island.URL), func(c *peer.Config) {
				c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			})
			shows, bare := openAt(t, ca.Identity("device/shows"), stapling), openAt(t, ca.Identity("device/bare"))
			await(t, "the staple", func() bool { return shows.events.has(peer.Stapled) })
			try := func(other *machine) (*tls.Conn, error) {
				if server {
					return alone.connect(t, other.listen(t))
				}
				return other.connect(t, alone.listen(t))
			}
			c, err := try(shows)
			require.NoError(t, err)
			require.EqualValues(t, 1, alone.Stats().Staples)
			_, err = try(bare)
			require.Error(t, err)
			ahead.Store(int64(30 * time.Second))
			require.NoError(t, call(c))
			ahead.Store(int64(70 * time.Second)) // past nextUpdate
			cut(t, c)
			_, err = try(shows)
			require.Error(t, err)
		})
	}
}

// A staple never speaks against the list, nor for another certificate, nor beyond
// MaxAge.
func TestStapleIsNoExcuse(t *testing.T) {
	ca := peertest.New(t)
	var mute atomic.Bool
	front := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
		if mute.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
		return mute.Load()
	})
	var ahead atomic.Int64
	gateway := openAt(t, ca.Identity("device/gw"), at(front.URL), func(c *peer.Config) {
		c.MaxAge = 20 * time.Second
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	address := gateway.listen(t)
	shows, fallen := openAt(t, ca.Identity("device/shows"), stapling), openAt(t, ca.Identity("device/fallen"), stapling)
	await(t, "staples", func() bool { return shows.events.has(peer.Stapled) && fallen.events.has(peer.Stapled) })
	number := ca.Revoke(fallen.who)
	await(t, "the list", func() bool { return gateway.Number() >= number })
	_, err := fallen.connect(t, address)
	require.Error(t, err, "the list says otherwise")

	mute.Store(true)
	ahead.Store(int64(25 * time.Second))
	_, err = shows.connect(t, address)
	require.Error(t, err, "older than MaxAge")
	require.ErrorIs(t, gateway.events.last(peer.Refused).Err, peer.ErrUnknown)
	_, err = fallen.connect(t, address)
	require.Error(t, err)
	require.ErrorIs(t, gateway.events.last(peer.Refused).Err, peer.ErrRevoked, "the list says so, however old it is")
	ca.Shift(25 * time.Second)
	fresh := openAt(t, ca.Identity("device/fresh"), stapling, func(c *peer.Config) {
		c.Now = func() time.Time { return time.Now().Add(25 * time.Second) }
	})
	await(t, "the staple", func() bool { return fresh.events.has(peer.Stapled) })
	_, err = fresh.connect(t, address)
	require.NoError(t, err, "a staple of now")
	thief := *shows.who.Certificate()
	thief.OCSPStaple = stapleOf(t, fresh)
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{thief}})
	if err == nil {
		err = call(c)
	}
	require.Error(t, err, "another's staple")
}

// stapleOf returns what a server shows.
func stapleOf(t *testing.T, m *machine) []byte {
	t.Helper()
	shown, err := m.Server().GetCertificate(nil)
	require.NoError(t, err)
	require.NotEmpty(t, shown.OCSPStaple)
	return shown.OCSPStaple
}

// Handshakes wait for no staple, none is shown beyond its nextUpdate, and a renewed
// certificate gets its own.
func TestStapleServed(t *testing.T) {
	ca := peertest.New(t)
	var stall atomic.Bool
	stall.Store(true)
	front := newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/ocsp" && stall.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	var ahead atomic.Int64
	gateway := openAt(t, ca.Identity("device/gw"), at(front.URL), stapling, func(c *peer.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	await(t, "the failure", func() bool { return gateway.events.has(peer.Unstapled) })
	pump := openAt(t, ca.Identity("device/pump-1"))
	address := gateway.listen(t)
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	require.Empty(t, c.ConnectionState().OCSPResponse)

	stall.Store(false)
	await(t, "the staple", func() bool { return gateway.events.has(peer.Stapled) })
	first := stapleOf(t, gateway)
	gateway.who.Renew()
	shown, err := gateway.Server().GetCertificate(nil)
	require.NoError(t, err)
	require.Empty(t, shown.OCSPStaple, "that of the certificate before")
	await(t, "the next staple", func() bool { return gateway.events.count(peer.Stapled) == 2 })
	require.NotEqual(t, first, stapleOf(t, gateway))
	ahead.Store(int64(2 * time.Minute))
	shown, err = gateway.Server().GetCertificate(nil)
	require.NoError(t, err)
	require.Empty(t, shown.OCSPStaple, "past nextUpdate")
}
