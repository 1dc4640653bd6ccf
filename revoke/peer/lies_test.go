package peer_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/revoketest"
)

func errorsAs(err error, target any) bool { return errors.As(err, target) }

// A stream that lies changes nothing: lists by another key, with an older number,
// from the future, of garbage, or a list of another kind leave what is enforced,
// and it raises an event.
func TestLies(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	issuer := w.Authority.Certificate()
	other, err := ca.Create(ca.CreateConfig{TrustDomain: "hospital.example"})
	require.NoError(t, err)
	list := func(cert *x509.Certificate, key crypto.Signer, number, base int64, this time.Time) string {
		var out bytes.Buffer
		require.NoError(t, crl.Encode(&out, cert, key, crl.Template{Number: number, Base: base, ThisUpdate: this, NextUpdate: this.Add(time.Hour)}, crl.Set{}))
		return base64.StdEncoding.EncodeToString(out.Bytes())
	}
	now, high := time.Now(), int64(1<<40)
	for _, tt := range []struct{ name, event, data string }{
		{"garbage", "delta", base64.StdEncoding.EncodeToString([]byte("garbage"))},
		{"no base64", "delta", "§§§"},
		{"another key", "delta", list(other.Intermediate, other.IntermediateKey, high, 1, now)},
		{"from the future", "delta", list(issuer, w.IssuingKey, high, 1, now.Add(time.Hour))},
		{"pointer to nothing", "pointer", "{"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target, err := url.Parse(w.URL)
			require.NoError(t, err)
			proxy := httputil.NewSingleHostReverseProxy(target)
			liar := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/stream") {
					proxy.ServeHTTP(rw, r)
					return
				}
				rw.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprintf(rw, "id: %d\nevent: %s\ndata: %s\n\n", high, tt.event, tt.data)
				http.NewResponseController(rw).Flush()
				<-r.Context().Done()
			}))
			m := newMachine(t, w, "device/gw-"+fmt.Sprint(time.Now().UnixNano()), func(c *peer.Config) { c.URL = liar.URL })
			t.Cleanup(liar.Close)
			t.Cleanup(func() { m.Close(); liar.CloseClientConnections() })
			require.Eventually(t, func() bool { return m.events.has(peer.BadList) }, 10*time.Second, 5*time.Millisecond)
			require.Less(t, m.Number(), high)
			require.NoError(t, m.Fresh())
		})
	}
}

// What is known already does not count as a sign of life: who plays an old delta
// over and over is silent after three heartbeats.
func TestReplay(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	old := w.Publisher.Delta()
	text := fmt.Sprintf("event: delta\ndata: %s\n\n", base64.StdEncoding.EncodeToString(old.DER))
	target, err := url.Parse(w.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	liar := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/stream") {
			proxy.ServeHTTP(rw, r)
			return
		}
		beat := time.NewTicker(10 * time.Millisecond)
		defer beat.Stop()
		for r.Context().Err() == nil {
			fmt.Fprint(rw, text)
			http.NewResponseController(rw).Flush()
			<-beat.C
		}
	}))
	m := newMachine(t, w, "device/gw", func(c *peer.Config) { c.URL = liar.URL; c.Heartbeat = 100 * time.Millisecond })
	t.Cleanup(liar.Close)
	t.Cleanup(func() { m.Close(); liar.CloseClientConnections() })
	require.Eventually(t, func() bool { return m.events.has(peer.Silent) }, 10*time.Second, 5*time.Millisecond)
}

// A number that goes back is never enforced: an older full list, served again,
// takes nothing away.
func TestOldList(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	old := w.Publisher.Full()
	gateway, pump := newMachine(t, w, "device/gw"), newMachine(t, w, "device/pump-1")
	address := gateway.listen(t)
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	revokeIt(t, w, "device/pump-1")
	cut(t, c)
	number := gateway.Number()
	require.Error(t, gateway.Take(old.DER))
	require.Equal(t, number, gateway.Number())
	_, err = pump.connect(t, address)
	require.Error(t, err)
}

func base64Of(der []byte) string { return base64.StdEncoding.EncodeToString(der) }
