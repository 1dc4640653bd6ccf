package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/cmd/internal/deliver"
)

// CollectDelivery adds how the receivers of the audit log are doing to the metrics. Of
// several daemons on a database, that tells it which delivers.
func (m *Metrics) CollectDelivery(status func() []deliver.Status) {
	m.registry.MustRegister(deliverCollector(status))
}

type deliverCollector func() []deliver.Status

var (
	deliverBehindDesc   = desc("deliver_behind_seconds", "How long the oldest entry of the audit log, or of guards' journals, waits that a receiver has not taken.", "sink")
	deliverWaitingDesc  = desc("deliver_waiting", "Entries that a receiver has not been through.", "sink")
	deliverFailingDesc  = desc("deliver_failing", "1 if a receiver takes nothing at present, else 0.", "sink")
	deliverSentDesc     = desc("deliver_sent_total", "Entries that a receiver took.", "sink")
	deliverRefusedDesc  = desc("deliver_refused_total", "Entries that were passed over because a receiver refuses them.", "sink")
	deliverFailuresDesc = desc("deliver_failures_total", "Times that a receiver did not take what it was given.", "sink")
)

func (c deliverCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, deliverBehindDesc, deliverWaitingDesc, deliverFailingDesc, deliverSentDesc, deliverRefusedDesc, deliverFailuresDesc)
}

func (c deliverCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	for _, s := range c() {
		if !s.Active {
			continue
		}
		out.gauge(deliverBehindDesc, s.Lag.Seconds(), s.Name)
		out.gauge(deliverWaitingDesc, float64(s.Waiting), s.Name)
		out.gauge(deliverFailingDesc, truth(!s.Failing.IsZero()), s.Name)
		out.counter(deliverSentDesc, float64(s.Sent), s.Name)
		out.counter(deliverRefusedDesc, float64(s.Refused), s.Name)
		out.counter(deliverFailuresDesc, float64(s.Failures), s.Name)
	}
}
