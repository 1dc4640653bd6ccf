package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/revoke"
)

// CollectRevocation adds what relying parties are told to the metrics, and how soon.
func (m *Metrics) CollectRevocation(p *revoke.Publishers, r *revoke.Responder, lag *RevocationLag, c CRLConfig) {
	m.registry.MustRegister(&listCollector{p, r.Issuers.RootID(), c}, &ocspCollector{r}, lag.seconds)
}

// A listCollector tells of the lists of each issuer that signs: issuers come and go.
type listCollector struct {
	publishers *revoke.Publishers
	rootID     string
	config     CRLConfig
}

var (
	numberDesc     = desc("crl_number", "Number of the newest list, by issuer (its key identifier in hex) and kind: full, delta or root.", "issuer", "kind")
	ageDesc        = desc("crl_age_seconds", "Age of the newest list.", "issuer", "kind")
	endsDesc       = desc("crl_next_update_timestamp_seconds", "When the newest list ends, in Unix time.", "issuer", "kind")
	sizeDesc       = desc("crl_size_bytes", "Size of the newest list.", "issuer", "kind")
	lifetimeDesc   = desc("crl_lifetime_seconds", "How long a list is good, as configured.")
	heartbeatDesc  = desc("crl_heartbeat_seconds", "How often a delta is signed when nothing happens, as configured.")
	subscriberDesc = desc("crl_subscribers", "Peers on the stream of deltas, or in a poll.", "issuer")
	turnedDesc     = desc("crl_subscribers_refused_total", "Peers that were turned away: there were too many, in all or from one address.", "issuer")
)

func (c *listCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, numberDesc, ageDesc, endsDesc, sizeDesc, lifetimeDesc, heartbeatDesc, subscriberDesc, turnedDesc)
}

func (c *listCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	list := func(issuer, kind string, doc *revoke.Document) {
		out.gauge(numberDesc, float64(doc.Number), issuer, kind)
		out.gauge(ageDesc, max(0, time.Since(doc.ThisUpdate).Seconds()), issuer, kind)
		out.gauge(endsDesc, float64(doc.NextUpdate.Unix()), issuer, kind)
		out.gauge(sizeDesc, float64(len(doc.DER)), issuer, kind)
	}
	for _, p := range c.publishers.All() {
		issuer := p.Authority.IssuerID()
		list(issuer, "full", p.Full())
		list(issuer, "delta", p.Delta())
		out.gauge(subscriberDesc, float64(p.Subscribers()), issuer)
		out.counter(turnedDesc, float64(p.Unsubscribed()), issuer)
	}
	list(c.rootID, "root", c.publishers.Root().CRL())
	out.gauge(lifetimeDesc, c.config.Lifetime.Seconds())
	out.gauge(heartbeatDesc, c.config.Heartbeat.Seconds())
}

type ocspCollector struct{ responder *revoke.Responder }

var (
	keptDesc    = desc("ocsp_kept", "OCSP answers that are kept in memory.")
	answersDesc = desc("ocsp_answers_total", "OCSP answers: hit (from memory), miss (made for it), live (made for one caller, with a nonce), refused (for want of a turn), lapsed (others may have revoked meanwhile).", "how")
)

func (c *ocspCollector) Describe(to chan<- *prometheus.Desc) { describe(to, keptDesc, answersDesc) }

func (c *ocspCollector) Collect(to chan<- prometheus.Metric) {
	out, n := emitter(to), c.responder.Counts()
	out.gauge(keptDesc, float64(n.Kept))
	out.counter(answersDesc, float64(n.Hits), "hit")
	out.counter(answersDesc, float64(n.Misses), "miss")
	out.counter(answersDesc, float64(n.Live), "live")
	out.counter(answersDesc, float64(n.Refused), "refused")
	out.counter(answersDesc, float64(n.Lapsed), "lapsed")
}
