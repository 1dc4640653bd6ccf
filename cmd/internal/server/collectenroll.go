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
	turnsDesc    = desc("renewals_in_progress", "Renewals that are under way, or wait for their turn, nearest expiry first.", "state")
	awayDesc     = desc("renewals_deferred_total", "Renewals for which there was no room, and that were told when to come back.")
	policyDesc   = desc("policy_version", "Version of the policy that is in force.")
)

func (c *enrolCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, issuedDesc, refusalsDesc, alarmsDesc, askingDesc, turnsDesc, awayDesc, policyDesc)
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
	running, waiting, away := c.registrar.Renewals()
	out.gauge(turnsDesc, float64(running), "running")
	out.gauge(turnsDesc, float64(waiting), "waiting")
	out.counter(awayDesc, float64(away))
	out.gauge(policyDesc, float64(c.registrar.Policies.Current().Version()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	asking, err := c.registrar.Waiting(ctx)
	if err != nil {
		return // better no number than a wrong one
	}
	for role, n := range asking {
		out.gauge(askingDesc, float64(n), role)
	}
}
