package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// IssuersStatus tells of the intermediates, and of the change from one to the next;
// nil if there never was one.
type IssuersStatus = func(context.Context) ([]adminapi.Intermediate, *adminapi.Rotation, error)

// CollectIssuers adds to the metrics what each intermediate has issued, and how far
// the fleet is on its way to the next one.
func (m *Metrics) CollectIssuers(status IssuersStatus) {
	m.registry.MustRegister(&issuerCollector{counted[issuance]{group: &m.counting, count: func(ctx context.Context) (issuance, error) {
		all, rotation, err := status(ctx)
		return issuance{all, rotation}, err
	}}})
}

type issuerCollector struct{ counted[issuance] }

// issuance is what an IssuersStatus returned.
type issuance struct {
	all      []adminapi.Intermediate
	rotation *adminapi.Rotation
}

var (
	issuerLiveDesc  = desc("issuer_certificates_live", "Certificates of the issuer that are in time and not revoked.", "issuer", "state")
	issuerLastDesc  = desc("issuer_last_not_after_timestamp_seconds", "When the last certificate of the issuer ends, in Unix time; absent if none is in time.", "issuer")
	rotationDesc    = desc("rotation_state", "1 for the state that the change to the next intermediate is in; absent if there never was one.", "state")
	rotationOfDesc  = desc("rotation_certificates", "Live certificates, of which some are of the next intermediate; absent likewise.")
	rotationYetDesc = desc("rotation_certificates_done", "Live certificates of the next intermediate; absent likewise.")
)

func (c *issuerCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, issuerLiveDesc, issuerLastDesc, rotationDesc, rotationOfDesc, rotationYetDesc)
}

func (c *issuerCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	found, known, err := c.get()
	if err != nil {
		to <- prometheus.NewInvalidMetric(issuerLiveDesc, err)
	}
	if !known {
		return
	}
	for _, one := range found.all {
		out.gauge(issuerLiveDesc, float64(one.Certificates), one.KeyID, one.State)
		if !one.LastNotAfter.IsZero() {
			out.gauge(issuerLastDesc, float64(one.LastNotAfter.Unix()), one.KeyID)
		}
	}
	if r := found.rotation; r != nil {
		out.gauge(rotationDesc, 1, r.State)
		out.gauge(rotationOfDesc, float64(r.Total))
		out.gauge(rotationYetDesc, float64(r.Done))
	}
}
