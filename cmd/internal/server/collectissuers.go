package server

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// IssuersStatus tells of the intermediates, and of the change from one to the next;
// nil if there never was one.
type IssuersStatus = func(context.Context) ([]adminapi.Intermediate, *adminapi.Rotation, error)

// CollectIssuers adds to the metrics what each intermediate has issued, and how far
// the fleet is on its way to the next one.
func (m *Metrics) CollectIssuers(status IssuersStatus) {
	m.registry.MustRegister(&issuerCollector{status: status})
}

// An issuerCollector counts once a minute at most.
type issuerCollector struct {
	status IssuersStatus

	mu       sync.Mutex
	counted  time.Time
	all      []adminapi.Intermediate
	rotation *adminapi.Rotation
}

var (
	issuerLiveDesc  = prometheus.NewDesc("betonica_issuer_certificates_live", "Certificates of the issuer that are in time and not revoked.", []string{"issuer", "state"}, nil)
	issuerLastDesc  = prometheus.NewDesc("betonica_issuer_last_not_after_seconds", "When the last certificate of the issuer ends, in Unix time.", []string{"issuer"}, nil)
	rotationDesc    = prometheus.NewDesc("betonica_rotation_state", "1 for the state that the change to the next intermediate is in.", []string{"state"}, nil)
	rotationOfDesc  = prometheus.NewDesc("betonica_rotation_certificates", "Live certificates, of which some are of the next intermediate.", nil, nil)
	rotationYetDesc = prometheus.NewDesc("betonica_rotation_certificates_done", "Live certificates of the next intermediate.", nil, nil)
)

func (c *issuerCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{issuerLiveDesc, issuerLastDesc, rotationDesc, rotationOfDesc, rotationYetDesc} {
		to <- d
	}
}

func (c *issuerCollector) Collect(to chan<- prometheus.Metric) {
	all, rotation, err := c.count()
	if err != nil {
		to <- prometheus.NewInvalidMetric(issuerLiveDesc, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, one := range all {
		gauge(issuerLiveDesc, float64(one.Certificates), one.KeyID, one.State)
		if !one.LastNotAfter.IsZero() {
			gauge(issuerLastDesc, float64(one.LastNotAfter.Unix()), one.KeyID)
		}
	}
	if rotation != nil {
		gauge(rotationDesc, 1, rotation.State)
		gauge(rotationOfDesc, float64(rotation.Total))
		gauge(rotationYetDesc, float64(rotation.Done))
	}
}

func (c *issuerCollector) count() ([]adminapi.Intermediate, *adminapi.Rotation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.counted) >= countEvery {
		all, rotation, err := c.status(context.Background())
		if err != nil {
			return nil, nil, err
		}
		c.counted, c.all, c.rotation = time.Now(), all, rotation
	}
	return c.all, c.rotation, nil
}
