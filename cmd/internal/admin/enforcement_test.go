package admin_test

import (
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/revoke/revoketest"
)

// says has an identity report that it enforces a number.
func (f *fixture) says(identity string, number int64) {
	f.t.Helper()
	require.NoError(f.t, f.enforcement.Report(f.t.Context(), enforcement.Reporter{Identity: identity, Address: revoketest.Home},
		enforcement.Report{Issuer: f.Authority.IssuerID(), Number: number, EnforcedAt: f.Now(), Connections: 3}))
}

// signed returns the newest number that peers could have.
func (f *fixture) signed() int64 { return f.enforcement.Signed()[f.Authority.IssuerID()] }

// revoked revokes an identity, and returns the number when a list has it.
func (f *fixture) revoked(c *adminapi.Client, identity string) int64 {
	f.t.Helper()
	fell, err := c.Revoke(f.t.Context(), adminapi.RevokeRequest{Identity: identity})
	require.NoError(f.t, err)
	require.Eventually(f.t, func() bool { return f.signed() >= fell.Number }, 10*time.Second, time.Millisecond)
	return fell.Number
}

// Whoever waits is told how far a revocation has come until every connected
// relying party enforces it; whoever only asks is told once.
func TestEnforcement(t *testing.T) {
	f := serve(t, os.Getuid())
	officer := f.as("officer")
	f.enrolled("device", "thief")
	for _, name := range []string{"one", "two"} {
		f.enrolled("gateway", name)
		f.says("gateway/"+name, f.signed())
	}
	number := f.revoked(officer, "device/thief")
	f.says("gateway/one", number)
	e, err := officer.Enforcement(t.Context(), number)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 1, 0}, []int{e.Enforcing, e.Expected, e.Waiting, e.Away})
	require.False(t, e.Done())
	require.NotNil(t, e.Slowest)
	require.Nil(t, e.AwaySince)
	require.Len(t, e.Missing, 1)
	require.Equal(t, "gateway/two", e.Missing[0].Identity)
	require.Equal(t, revoketest.Home.String(), e.Missing[0].Address)
	require.Equal(t, int64(3), e.Missing[0].Connections)

	words := 0
	for e, err = range officer.WaitEnforced(t.Context(), number, number, time.Minute) {
		require.NoError(t, err)
		if words++; words == 1 {
			require.Equal(t, 1, e.Waiting)
			f.says("gateway/two", number)
		}
	}
	require.GreaterOrEqual(t, words, 2)
	require.True(t, e.Done())
	require.Equal(t, 2, e.Enforcing)
	require.Empty(t, e.Missing)

	s, err := officer.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{2, 2, 0, 0}, []int{s.RelyingParties.Known, s.RelyingParties.Connected, s.RelyingParties.Lagging, s.RelyingParties.More})
	require.Len(t, s.RelyingParties.Parties, 2)
}

// When the time is over, the last word is how it is then, and that is no error.
func TestEnforcementTimeout(t *testing.T) {
	f := serve(t, os.Getuid())
	f.enrolled("device", "thief")
	f.enrolled("gateway", "one")
	f.says("gateway/one", f.signed())
	number := f.revoked(f.root(), "device/thief")
	var last adminapi.Enforcement
	for e, err := range f.root().WaitEnforced(t.Context(), number, number, 100*time.Millisecond) {
		require.NoError(t, err)
		last = e
	}
	require.Equal(t, 1, last.Waiting)
}

// What is no revocation, and what is no time, is an error that says so.
func TestBadEnforcement(t *testing.T) {
	f := serve(t, os.Getuid())
	_, err := f.root().Enforcement(t.Context(), 123456)
	require.Equal(t, http.StatusNotFound, problem(t, err).Status)
	require.Contains(t, problem(t, err).Detail, "123456")
	for _, err := range f.root().WaitEnforced(t.Context(), 123456, 123456, time.Second) {
		require.Equal(t, http.StatusNotFound, problem(t, err).Status)
	}
	transport := &http.Transport{TLSClientConfig: f.tls(f.enrolled("auditor", "carol"))}
	defer transport.CloseIdleConnections()
	for _, query := range []string{
		"", "?number=", "?number=0", "?number=-1", "?number=x", "?number=99999999999999999999", "?number=1&number=2", "?number=1&nummer=1",
		"?number=1&from=2", "?number=1&from=x", "?number=1&from=-1", "?number=1&wait=soon", "?number=1&wait=-1s", "?number=1&wait=0s", "?number=1&wait=2h", "?number=1&wait=30",
	} {
		resp, err := (&http.Client{Transport: transport}).Get("https://" + f.urls.HTTPS + adminapi.Prefix + "enforcement" + query)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, query)
		require.Contains(t, string(body), api.ProblemMalformed)
	}
}
