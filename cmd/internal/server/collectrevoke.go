package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/revoke"
)

// CollectRevocation adds what relying parties are told to the metrics.
func (m *Metrics) CollectRevocation(p *revoke.Publishers, r *revoke.Responder) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	m.registry.MustRegister(&listCollector{p})
	gauge("betonica_crl_root_next_update_seconds", "When the root's CRL ends, in Unix time.", func() float64 { return float64(p.Root().CRL().NextUpdate.Unix()) })
	gauge("betonica_ocsp_kept", "OCSP answers that are kept in memory.", func() float64 { return float64(r.Counts().Kept) })
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

// A listCollector tells of the lists of each issuer that signs: issuers come and go.
type listCollector struct{ publishers *revoke.Publishers }

var (
	ofIssuer       = []string{"issuer"} // its subject key identifier, in hex
	deltaDesc      = prometheus.NewDesc("betonica_crl_number", "Number of the newest delta CRL.", ofIssuer, nil)
	fullDesc       = prometheus.NewDesc("betonica_crl_full_number", "Number of the newest full CRL.", ofIssuer, nil)
	fullAgeDesc    = prometheus.NewDesc("betonica_crl_full_age_seconds", "Age of the newest full CRL.", ofIssuer, nil)
	deltaAgeDesc   = prometheus.NewDesc("betonica_crl_delta_age_seconds", "Age of the newest delta CRL.", ofIssuer, nil)
	subscriberDesc = prometheus.NewDesc("betonica_crl_subscribers", "Peers on the stream of deltas, or in a poll.", ofIssuer, nil)
	turnedDesc     = prometheus.NewDesc("betonica_crl_subscribers_refused_total", "Peers that were turned away: there were too many, in all or from one address.", ofIssuer, nil)
)

func (c *listCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{deltaDesc, fullDesc, fullAgeDesc, deltaAgeDesc, subscriberDesc, turnedDesc} {
		to <- d
	}
}

func (c *listCollector) Collect(to chan<- prometheus.Metric) {
	for _, p := range c.publishers.All() {
		issuer := p.Authority.IssuerID()
		gauge := func(d *prometheus.Desc, v float64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, issuer)
		}
		gauge(deltaDesc, float64(p.Delta().Number))
		gauge(fullDesc, float64(p.Full().Number))
		gauge(fullAgeDesc, time.Since(p.Full().ThisUpdate).Seconds())
		gauge(deltaAgeDesc, time.Since(p.Delta().ThisUpdate).Seconds())
		gauge(subscriberDesc, float64(p.Subscribers()))
		to <- prometheus.MustNewConstMetric(turnedDesc, prometheus.CounterValue, float64(p.Unsubscribed()), issuer)
	}
}
