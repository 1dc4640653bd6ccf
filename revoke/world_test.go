package revoke_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store"
)

var (
	root   = revoketest.Root
	home   = revoketest.Home
	orders = revoke.Order{Reason: crl.KeyCompromise}
)

// A world is a CA that revokes, with what these tests do to it.
type world struct {
	*revoketest.World
	t             *testing.T
	root, issuing *x509.Certificate
	lists         string // URL of the issuer's lists
}

func newWorld(t *testing.T, c *enrolltest.CA, change ...func(*revoke.PublisherConfig, *revoke.ResponderConfig)) *world {
	t.Helper()
	w := &world{World: revoketest.New(t, c, change...), t: t, root: c.Authority.Root(), issuing: c.Authority.Certificate()}
	w.lists = w.URL + "/crl/" + c.Authority.IssuerID()
	return w
}

func (w *world) enrol(name string) (*x509.Certificate, crypto.Signer) {
	return w.Enrol("device/" + name)
}

// crowd gives one identity many certificates, each the child of the one before.
func (w *world) crowd(name string, many int) {
	w.t.Helper()
	cert, _ := w.enrol(name)
	for range many - 1 {
		h, err := w.Holder(w.t.Context(), cert, home)
		require.NoError(w.t, err)
		cert, err = w.Renew(w.t.Context(), h, enrolltest.CSR(w.t, enrolltest.NewKey(w.t)))
		require.NoError(w.t, err)
	}
}

// write puts certificates into a PEM file.
func (w *world) write(name string, certs ...*x509.Certificate) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name)
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	require.NoError(w.t, os.WriteFile(path, out, 0o600))
	return path
}

// get fetches what a path of the world serves.
func (w *world) get(path string) []byte {
	w.t.Helper()
	resp, err := http.Get(w.URL + path)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	require.Equal(w.t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return body
}

// eventually waits for what the world does by itself.
func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, 5*time.Millisecond, what)
}

func serial(cert *x509.Certificate) store.Serial { return store.SerialOf(cert) }
