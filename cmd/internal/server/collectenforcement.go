package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/revoke/enforcement"
)

// maxPartyMetrics is how many relying parties have gauges of their own: those that
// are worst off. The others are counted.
const maxPartyMetrics = 1000

// CollectEnforcement adds what relying parties enforce to the metrics.
func (m *Metrics) CollectEnforcement(e *enforcement.Registry) {
	m.registry.MustRegister(&enforcementCollector{e, counted[enforcement.Summary]{group: &m.counting, keep: true, count: func(ctx context.Context) (enforcement.Summary, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return e.Summary(ctx, maxPartyMetrics)
	}}})
}

// An enforcementCollector looks at every relying party, of which there may be 100,000,
// and so not at each scrape.
type enforcementCollector struct {
	enforcement *enforcement.Registry
	counted[enforcement.Summary]
}

var (
	partiesDesc   = desc("relying_parties", "Relying parties that have reported: within 2.5 minutes, or in the last 30 days.", "state")
	laggingDesc   = desc("relying_parties_lagging", "Relying parties whose list is older than three heartbeats, or went back.")
	restDesc      = desc("relying_parties_rest", "Relying parties without gauges of their own: only the 1000 that are worst off have them.")
	refusedDesc   = desc("enforcement_refused_total", "Reports of CRL numbers that no list has.")
	partyLagDesc  = desc("relying_party_lag", "CRL numbers between what a relying party enforces and the newest.", "identity")
	partySeenDesc = desc("relying_party_report_age_seconds", "Time since a relying party has reported.", "identity")
)

func (c *enforcementCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, partiesDesc, laggingDesc, restDesc, refusedDesc, partyLagDesc, partySeenDesc)
}

func (c *enforcementCollector) Collect(to chan<- prometheus.Metric) {
	s, known, err := c.get()
	if err != nil {
		to <- prometheus.NewInvalidMetric(partiesDesc, err)
	}
	if !known {
		return
	}
	out := emitter(to)
	out.gauge(partiesDesc, float64(s.Connected), "connected")
	out.gauge(partiesDesc, float64(s.Known-s.Connected), "silent")
	out.gauge(laggingDesc, float64(s.Lagging))
	out.gauge(restDesc, float64(s.More))
	out.counter(refusedDesc, float64(s.Refused))
	now := c.enforcement.Now()
	for _, p := range s.Parties {
		out.gauge(partyLagDesc, float64(p.Lag), p.Identity)
		out.gauge(partySeenDesc, now.Sub(p.LastSeen).Seconds(), p.Identity)
	}
}
