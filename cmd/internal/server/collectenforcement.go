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
	m.registry.MustRegister(&enforcementCollector{e})
}

type enforcementCollector struct{ enforcement *enforcement.Registry }

var (
	partiesDesc   = prometheus.NewDesc("betonica_relying_parties", "Relying parties that have reported: within 2.5 minutes, or in the last 30 days.", []string{"state"}, nil)
	laggingDesc   = prometheus.NewDesc("betonica_relying_parties_lagging", "Relying parties whose list is older than three heartbeats, or went back.", nil, nil)
	restDesc      = prometheus.NewDesc("betonica_relying_parties_rest", "Relying parties without gauges of their own: only the 1000 that are worst off have them.", nil, nil)
	refusedDesc   = prometheus.NewDesc("betonica_enforcement_refused_total", "Reports of CRL numbers that no list has.", nil, nil)
	partyLagDesc  = prometheus.NewDesc("betonica_relying_party_lag", "CRL numbers between what a relying party enforces and the newest.", []string{"identity"}, nil)
	partySeenDesc = prometheus.NewDesc("betonica_relying_party_report_age_seconds", "Time since a relying party has reported.", []string{"identity"}, nil)
)

func (c *enforcementCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{partiesDesc, laggingDesc, restDesc, refusedDesc, partyLagDesc, partySeenDesc} {
		to <- d
	}
}

func (c *enforcementCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := c.enforcement.Summary(ctx, maxPartyMetrics)
	if err != nil {
		to <- prometheus.NewInvalidMetric(partiesDesc, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(partiesDesc, float64(s.Connected), "connected")
	gauge(partiesDesc, float64(s.Known-s.Connected), "silent")
	gauge(laggingDesc, float64(s.Lagging))
	gauge(restDesc, float64(s.More))
	to <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(s.Refused))
	now := c.enforcement.Now()
	for _, p := range s.Parties {
		gauge(partyLagDesc, float64(p.Lag), p.Identity)
		gauge(partySeenDesc, now.Sub(p.LastSeen).Seconds(), p.Identity)
	}
}
