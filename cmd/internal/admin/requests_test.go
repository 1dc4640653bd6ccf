package admin_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// A machine that asks is on the list with what it claims, is found by its code however
// that is written, and is approved and denied by its id and its whole key.
func TestRequests(t *testing.T) {
	f := serve(t, os.Getuid())
	_, err := f.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\nmethods = ['approval']\n[role.operator]\n"+"methods = ['token']"), enroll.AnyVersion)
	require.NoError(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "pump"}, DNSNames: []string{"pump.example"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 7)},
	}, enrolltest.NewKey(t))
	require.NoError(t, err)
	from := netip.MustParseAddr("10.0.0.7")
	ask := func(csr []byte) *enroll.PendingError {
		_, err := f.Admit(t.Context(), enroll.Claim{CSR: csr, From: from, Role: "device", Ask: true})
		var pending *enroll.PendingError
		require.ErrorAs(t, err, &pending)
		return pending
	}
	claims, silent := ask(csr), ask(enrolltest.CSR(t, enrolltest.NewKey(t)))

	c := f.root()
	page, err := c.Requests(t.Context(), adminapi.RequestFilter{Open: true, Role: "device"}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	page, err = c.Requests(t.Context(), adminapi.RequestFilter{Code: claims.Code[:4] + " " + claims.Code[5:]}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	q := page.Items[0]
	require.Equal(t, adminapi.Claims{CommonName: "pump", DNSNames: []string{"pump.example"}, IPs: []string{"10.0.0.7"}}, q.Claims)
	require.Equal(t, []string{claims.ID.String(), claims.Code, "waiting", "device", "10.0.0.7", "P-256"}, []string{q.ID, q.Code, q.State, q.Role, q.Address, q.KeyType})
	_, err = c.Requests(t.Context(), adminapi.RequestFilter{Code: "x"}, adminapi.PageRequest{})
	require.Equal(t, http.StatusBadRequest, problem(t, err).Status)

	// What it claims is not what the role has, and so nobody approves it in vain.
	_, err = c.Approve(t.Context(), q.ID, adminapi.ApproveRequest{SPKI: q.SPKI, Role: "device", Name: "pump-1"})
	require.Equal(t, api.ProblemDenied, problem(t, err).Type)
	_, err = c.Deny(t.Context(), q.ID, adminapi.DenyRequest{SPKI: "00"})
	require.Equal(t, http.StatusBadRequest, problem(t, err).Status)
	q, err = c.Deny(t.Context(), q.ID, adminapi.DenyRequest{SPKI: q.SPKI})
	require.NoError(t, err)
	require.Equal(t, "denied", q.State)

	page, err = c.Requests(t.Context(), adminapi.RequestFilter{Open: true}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	q = page.Items[0]
	require.Equal(t, silent.ID.String(), q.ID)
	_, err = c.Approve(t.Context(), q.ID, adminapi.ApproveRequest{SPKI: q.SPKI[:62] + "ff", Role: "device", Name: "pump-1"})
	require.Equal(t, http.StatusConflict, problem(t, err).Status)
	q, err = f.as("operator").Approve(t.Context(), q.ID, adminapi.ApproveRequest{SPKI: q.SPKI, Role: "device", Name: "pump-1", Owner: "ward 3"})
	require.NoError(t, err)
	require.Equal(t, []string{"approved", "device/pump-1", "operator/alice"}, []string{q.State, q.Identity, q.DecidedBy})
	require.NotNil(t, q.Decided)

	f.Advance(25 * time.Hour)
	page, err = c.Requests(t.Context(), adminapi.RequestFilter{Code: q.Code}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Equal(t, "lapsed", page.Items[0].State)
	_, err = c.Approve(t.Context(), "00000000000000000000000000000000", adminapi.ApproveRequest{SPKI: q.SPKI, Role: "device", Name: "pump-1"})
	require.Equal(t, http.StatusNotFound, problem(t, err).Status)
}
