package est_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

func chained(key any, certs []*x509.Certificate) *tls.Certificate {
	c := &tls.Certificate{PrivateKey: key}
	for _, cert := range certs {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}

// A device shows the certificate that its manufacturer gave it, and gets one of ours
// for a key of its own; whoever shows that of another manufacturer gets nothing. The
// next one follows on ours.
func TestBirth(t *testing.T) {
	m, other := enrolltest.NewManufacturer(t, "Pumps"), enrolltest.NewManufacturer(t, "Others")
	w := newWorld(t, fmt.Sprintf("[role.pump]\nmethods = ['birth', 'renew']\nmanufacturer_roots = '''\n%s'''\n", m.PEM()))
	w.Inventory("pump", "pump-1", "SN-1")
	idevid, birth := m.Device("SN-1")
	key := enrolltest.NewKey(t)

	strange, strangers := other.Device("SN-1")
	require.Equal(t, http.StatusUnauthorized, w.post(w.client(0, chained(strange, strangers)), "pump/simpleenroll", "", enrolltest.CSR(t, key)).StatusCode)
	require.NotEqual(t, http.StatusOK, w.post(w.client(0, chained(idevid, birth)), "pump/simpleenroll", "", enrolltest.CSR(t, idevid)).StatusCode, "not its own key")

	cert := w.post(w.client(tls.VersionTLS12, chained(idevid, birth)), "pump/simpleenroll", "", enrolltest.CSR(t, key)).leaf(t)
	require.Equal(t, "/pump/pump-1", cert.URIs[0].Path)
	next := enrolltest.NewKey(t)
	w.post(w.client(0, w.TLS(cert, key)), "pump/simplereenroll", "", enrolltest.Again(t, cert, next)).leaf(t)
	require.Equal(t, http.StatusForbidden, w.post(w.client(0, chained(idevid, birth)), "simplereenroll", "", enrolltest.Again(t, cert, next)).StatusCode, "a birth certificate follows on nothing")
}

// A device that shows nothing waits where the role has people approve it: it is told
// when to come again, sends the same, and gets its certificate when somebody has said
// who it is. Elsewhere it is told to authenticate.
func TestApproval(t *testing.T) {
	w := newWorld(t, "[role.pump]\nmethods = ['approval', 'renew']\n[role.device]\n")
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	require.Equal(t, http.StatusUnauthorized, w.post(w.client(0), "device/simpleenroll", "", csr).StatusCode)
	require.Equal(t, http.StatusUnauthorized, w.post(w.client(0), "simpleenroll", "", csr).StatusCode)
	for range 2 {
		got := w.post(w.client(0), "pump/simpleenroll", "", csr)
		require.Equal(t, http.StatusAccepted, got.StatusCode, string(got.body))
		seconds, err := strconv.Atoi(got.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.Positive(t, seconds)
	}
	w.approve("pump", "pump-1")
	cert := w.post(w.client(0), "pump/simpleenroll", "", csr).leaf(t)
	require.Equal(t, "/pump/pump-1", cert.URIs[0].Path)
}

// After it has expired a certificate is good as long as its role says, for a new key
// and with an alarm.
func TestLate(t *testing.T) {
	w := newWorld(t, "[role.device]\ngrace = '48h'\n")
	cert, key := w.enrolled("device", "pump-1")
	client := w.client(0, w.TLS(cert, key))
	w.Advance(36 * time.Hour)
	require.Equal(t, http.StatusForbidden, w.post(client, "simplereenroll", "", enrolltest.CSR(t, enrolltest.NewKey(t))).StatusCode, "other names")
	require.Equal(t, http.StatusConflict, w.post(client, "simplereenroll", "", enrolltest.Again(t, cert, key)).StatusCode, "the old key")
	w.post(client, "simplereenroll", "", enrolltest.Again(t, cert, enrolltest.NewKey(t))).leaf(t)
	require.NotEmpty(t, w.Audit("certificate.late"))

	cert, key = w.enrolled("device", "pump-2")
	w.Advance(73 * time.Hour)
	require.Equal(t, http.StatusForbidden, w.post(w.client(0, w.TLS(cert, key)), "simplereenroll", "", enrolltest.Again(t, cert, enrolltest.NewKey(t))).StatusCode, "too late")
}

// approve says that the machine that waits is that one.
func (w *world) approve(role, name string) {
	w.t.Helper()
	waiting, _, err := w.Store.Requests(w.t.Context(), store.RequestFilter{}, store.Page{Limit: 2})
	require.NoError(w.t, err)
	require.Len(w.t, waiting, 1)
	_, err = w.Approve(w.t.Context(), enrolltest.Root, enroll.Approval{Request: waiting[0].ID, SPKI: waiting[0].SPKI, Role: role, Name: name})
	require.NoError(w.t, err)
}
