package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/revoke"
)

// CollectRevocation adds what relying parties are told to the metrics.
func (m *Metrics) CollectRevocation(p *revoke.Publisher, r *revoke.Responder) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("betonica_crl_number", "Number of the newest delta CRL.", func() float64 { return float64(p.Delta().Number) })
	gauge("betonica_crl_full_number", "Number of the newest full CRL.", func() float64 { return float64(p.Full().Number) })
	gauge("betonica_crl_full_age_seconds", "Age of the newest full CRL.", func() float64 { return time.Since(p.Full().ThisUpdate).Seconds() })
	gauge("betonica_crl_delta_age_seconds", "Age of the newest delta CRL.", func() float64 { return time.Since(p.Delta().ThisUpdate).Seconds() })
	gauge("betonica_crl_root_next_update_seconds", "When the root's CRL ends, in Unix time.", func() float64 { return float64(p.RootCRL().NextUpdate.Unix()) })
	gauge("betonica_crl_subscribers", "Peers on the stream of deltas, or in a poll.", func() float64 { return float64(p.Subscribers()) })
	gauge("betonica_ocsp_kept", "OCSP answers that are kept in memory.", func() float64 { return float64(r.Counts().Kept) })
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "betonica_crl_subscribers_refused_total", Help: "Peers that were turned away: there were too many, in all or from one address.",
	}, func() float64 { return float64(p.Unsubscribed()) }))
	for how, count := range map[string]func(revoke.Counts) int64{
		"hit":     func(c revoke.Counts) int64 { return c.Hits },
		"miss":    func(c revoke.Counts) int64 { return c.Misses },
		"live":    func(c revoke.Counts) int64 { return c.Live },
		"refused": func(c revoke.Counts) int64 { return c.Refused },
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "betonica_ocsp_answers_total",
			Help:        "OCSP answers: from memory, made for it, made with a nonce, refused for want of a turn.",
			ConstLabels: prometheus.Labels{"how": how},
		}, func() float64 { return float64(count(r.Counts())) }))
	}
}
