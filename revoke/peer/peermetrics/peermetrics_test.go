package peermetrics_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peermetrics"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// A scrape tells what is in force of each issuer, and what was refused, and passes
// the linter of Prometheus.
func TestCollector(t *testing.T) {
	ca := peertest.New(t)
	p, err := peer.Open(t.Context(), peer.Config{Source: ca.Identity("device/gw"), State: t.TempDir(), Allow: []string{peertest.Everyone}})
	require.NoError(t, err)
	defer p.Close()
	c := peermetrics.New(p)
	l, err := p.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { c.Read(make([]byte, 1)); c.Close() }()
		}
	}()
	fallen := ca.Identity("device/pump-1")
	number := ca.Revoke(fallen)
	require.Eventually(t, func() bool { return p.Number() >= number }, 10*time.Second, time.Millisecond)
	q, err := peer.Open(t.Context(), peer.Config{Source: fallen, State: t.TempDir(), Allow: []string{peertest.Everyone}, IDOnly: true})
	require.NoError(t, err)
	defer q.Close()
	conn, err := q.Dial(t.Context(), "tcp", l.Addr().String())
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	require.Error(t, err)

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	issuer := fmt.Sprintf("%x", ca.Intermediate().SubjectKeyId)
	require.EqualValues(t, p.Number(), values["betonica_peer_crl_number "+issuer])
	require.EqualValues(t, 1, values["betonica_peer_crl_usable "+issuer])
	require.EqualValues(t, 1, values["betonica_peer_refused_total"])
	require.Positive(t, values["betonica_peer_lists_total taken"])
	require.Zero(t, values["betonica_peer_ocsp_questions_total failed"])
}
