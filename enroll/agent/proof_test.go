package agent_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

// A machine that has nothing to show, or nothing to know its CA by, asks nobody. What it
// began by asking a person it does not go on with by its birth certificate: that is
// another request, with another key.
func TestProofs(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	token := ca.Token("device", "SN-1")
	birth := catest.NewIssuer(t, "maker.example").Certificate(t, "pump/7", nil)
	for want, p := range map[string]agent.Proof{
		"nothing to show":    {Root: token.Root},
		"nothing to know":    {Birth: &birth},
		"names another root": {Token: &token, Root: rootOf(catest.NewIssuer(t, "other.example"))},
	} {
		_, err := agent.EnrollWith(t.Context(), conf, p)
		require.ErrorContains(t, err, want)
	}
	require.Empty(t, ca.Seen())

	ctx, cancel := context.WithCancel(t.Context())
	conf.Events = func(e agent.Event) { cancel() }
	_, err := agent.EnrollWith(ctx, conf, agent.Proof{Ask: true, Root: token.Root})
	require.ErrorIs(t, err, context.Canceled)
	asked := read(t, conf.Dir, "next/key.pem")
	ca.Birth(birth.Leaf, "device/SN-7")
	conf.Events = nil
	c, err := agent.EnrollWith(t.Context(), conf, agent.Proof{Birth: &birth, Root: token.Root})
	require.NoError(t, err)
	require.Equal(t, "spiffe://hospital.example/device/SN-7", c.ID())
	require.NotEqual(t, asked, read(t, conf.Dir, "current/key.pem"))

	// Its own certificate renews without any of that.
	_, renewed, err := agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	require.True(t, renewed)
}

// Who is told to wait by a CA does so within bounds, whatever it says.
func TestPollAfter(t *testing.T) {
	for said, least := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Nanosecond: time.Second, 48 * time.Hour: time.Hour, time.Minute: time.Minute} {
		for range 100 {
			wait := agent.PollAfter(said)
			require.GreaterOrEqual(t, wait, least)
			require.LessOrEqual(t, wait, least+least/10)
		}
	}
}

// A no is asked about again after hours, and a day at most; before a certificate ends,
// more often.
func TestDeniedBackoff(t *testing.T) {
	now := time.Now()
	no := api.NewProblem(403, api.ProblemDenied, "suspended")
	for n := range 20 {
		wait := agent.DeniedAfter(n, now, no, 0)
		require.GreaterOrEqual(t, wait, 30*time.Minute)
		require.LessOrEqual(t, wait, 24*time.Hour)
		if n > 5 {
			require.GreaterOrEqual(t, wait, 12*time.Hour)
		}
		require.LessOrEqual(t, agent.DeniedAfter(n, now, no, 4*time.Hour), time.Hour)
		require.GreaterOrEqual(t, agent.DeniedAfter(n, now, no, time.Minute), 10*time.Minute)
	}
	no.RetryAfter = 10 * 24 * time.Hour
	require.Equal(t, 24*time.Hour, agent.DeniedAfter(0, now, no, 0))
}
