package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/enroll"
)

// CollectEnrolment adds what was issued and refused to the metrics.
func (m *Metrics) CollectEnrolment(r *enroll.Registrar) { m.registry.MustRegister(&enrolCollector{r}) }

type enrolCollector struct{ registrar *enroll.Registrar }

var (
	issuedDesc   = desc("certificates_issued_total", "Certificates issued, by what proved the identity.", "method")
	refusalsDesc = desc("refusals_total", "Refusals to issue, also those that the audit log only counts, by reason.", "reason")
	alarmsDesc   = desc("alarms_total", "What looks like a thief with a copy, by the action that the audit log has it under.", "action")
	askingDesc   = desc("requests_waiting", "Machines that wait for a person's approval, by the role that they ask for.", "role")
	policyDesc   = desc("policy_version", "Version of the policy that is in force.")
)

func (c *enrolCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, issuedDesc, refusalsDesc, alarmsDesc, askingDesc, policyDesc)
}

func (c *enrolCollector) Collect(to chan<- prometheus.Metric) {
	out, counts := emitter(to), c.registrar.Counts()
	for method, n := range counts.Issued {
		out.counter(issuedDesc, float64(n), string(method))
	}
	for reason, n := range counts.Refused {
		out.counter(refusalsDesc, float64(n), string(reason))
	}
	for action, n := range counts.Alarms {
		out.counter(alarmsDesc, float64(n), action)
	}
	out.gauge(policyDesc, float64(c.registrar.Policies.Current().Version()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	waiting, err := c.registrar.Waiting(ctx)
	if err != nil {
		return // better no number than a wrong one
	}
	for role, n := range waiting {
		out.gauge(askingDesc, float64(n), role)
	}
}
