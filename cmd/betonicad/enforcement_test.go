package main_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/peer"
)

// Relying parties that stand on revoke/peer say what they enforce by themselves: a
// revocation is waited for until all of them have it, and no longer. One that ends
// is not connected any more after a while, and until then holds it up.
func TestPeersReport(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	roots, admin := rootsOf(t, dir), d.admin(t)
	enrol := func(name string) *still {
		token, err := admin.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: name})
		require.NoError(t, err)
		e := enrolment{request: newRequest(t), token: token.Secret}
		c, err := dial(d.HTTPS, roots)
		require.NoError(t, err)
		defer c.Close()
		status, chain, err := c.post(api.PathEnroll, e.token, e.csr)
		require.NoError(t, expect(http.StatusCreated)(status, chain, err))
		cert, err := e.certificate(chain)
		require.NoError(t, err)
		return &still{&cert, roots}
	}
	const parties = 3
	var last *peer.Peer
	for i := range parties {
		p, err := peer.Open(t.Context(), peer.Config{
			Source: enrol(fmt.Sprintf("party-%d", i)), URL: "http://" + d.HTTP, Report: "https://" + d.HTTPS, State: t.TempDir(),
			Allow: []string{"spiffe://" + trustDomain + "/device/*"}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		require.NoError(t, err)
		defer p.Close()
		last = p
	}
	connected := func() int {
		s, err := admin.Status(t.Context())
		require.NoError(t, err)
		require.Zero(t, s.RelyingParties.Lagging)
		require.Zero(t, s.RelyingParties.Refused)
		return s.RelyingParties.Connected
	}
	require.Eventually(t, func() bool { return connected() == parties }, patience, 10*time.Millisecond)

	revoke := func(name string, wait time.Duration) (e adminapi.Enforcement) {
		enrol(name)
		fell, err := admin.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/" + name})
		require.NoError(t, err)
		for e, err = range admin.WaitEnforced(t.Context(), fell.Number, fell.Number, wait) {
			require.NoError(t, err)
		}
		return e
	}
	e := revoke("thief-1", patience)
	require.True(t, e.Done())
	require.Equal(t, []int{parties, parties}, []int{e.Enforcing, e.Expected})
	require.NotNil(t, e.Slowest)
	require.Empty(t, e.Missing)

	require.NoError(t, last.Close())
	e = revoke("thief-2", 2*time.Second)
	require.Equal(t, []int{parties - 1, 1}, []int{e.Enforcing, e.Waiting})
	require.Equal(t, fmt.Sprintf("device/party-%d", parties-1), e.Missing[0].Identity)
}
