package server

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Collect adds what the store knows to the metrics, and until when the certificate
// of whoever issues lasts.
func (m *Metrics) Collect(db *store.DB, issuers *ca.Issuers, ready func() error) {
	m.registry.MustRegister(&collector{db: db, issuers: issuers, ready: ready, now: time.Now})
}

// collector reads the store at each scrape.
type collector struct {
	db      *store.DB
	issuers *ca.Issuers
	ready   func() error
	now     func() time.Time

	mu      sync.Mutex
	counted time.Time
	counts  store.Counts
}

// countEvery is how old counts may be: counting a large store is work.
const countEvery = time.Minute

var (
	readyDesc    = prometheus.NewDesc("betonica_ready", "1 if certificates can be issued, else 0.", nil, nil)
	issuerDesc   = prometheus.NewDesc("betonica_issuer_not_after_seconds", "When the issuing certificate ends, in Unix time.", nil, nil)
	stateDesc    = prometheus.NewDesc("betonica_identities", "Identities on record, by state.", []string{"state"}, nil)
	suspectsDesc = prometheus.NewDesc("betonica_identities_suspect", "Identities about which something was alarmed.", nil, nil)
	liveDesc     = prometheus.NewDesc("betonica_certificates_live", "Certificates that are in time and not revoked.", nil, nil)
	revokedDesc  = prometheus.NewDesc("betonica_certificates_revoked", "Certificates that are in time and revoked.", nil, nil)
	openDesc     = prometheus.NewDesc("betonica_tokens_open", "Join tokens that can still be spent.", nil, nil)
	entriesDesc  = prometheus.NewDesc("betonica_audit_entries", "Entries of the audit log.", nil, nil)
	waitingDesc  = prometheus.NewDesc("betonica_store_waiting", "Writes that wait for the writer.", nil, nil)
	callsDesc    = prometheus.NewDesc("betonica_store_writes_total", "Writes since the start.", nil, nil)
	batchesDesc  = prometheus.NewDesc("betonica_store_transactions_total", "Transactions since the start: each holds all writes that came together.", nil, nil)
	busyDesc     = prometheus.NewDesc("betonica_store_busy_seconds_total", "Time spent in transactions.", nil, nil)
)

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, issuerDesc, stateDesc, suspectsDesc, liveDesc, revokedDesc, openDesc,
		entriesDesc, waitingDesc, callsDesc, batchesDesc, busyDesc} {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	total := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}

	ready := 1.0
	if c.ready() != nil {
		ready = 0
	}
	gauge(readyDesc, ready)
	gauge(issuerDesc, float64(c.issuers.Current().Certificate().NotAfter.Unix()))
	stats := c.db.Stats()
	gauge(entriesDesc, float64(stats.Entries))
	gauge(waitingDesc, float64(stats.Waiting))
	total(callsDesc, float64(stats.Calls))
	total(batchesDesc, float64(stats.Batches))
	total(busyDesc, stats.Busy.Seconds())
	counts, err := c.count()
	if err != nil {
		to <- prometheus.NewInvalidMetric(stateDesc, err)
		return
	}
	for _, state := range []store.State{store.Pending, store.Active, store.Suspended, store.Revoked, store.Retired} {
		gauge(stateDesc, float64(counts.Identities[state]), string(state))
	}
	gauge(suspectsDesc, float64(counts.Suspects))
	gauge(liveDesc, float64(counts.Live-counts.Revoked))
	gauge(revokedDesc, float64(counts.Revoked))
	gauge(openDesc, float64(counts.OpenTokens))
}

// count returns counts that are at most a minute old.
func (c *collector) count() (store.Counts, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.counted) >= countEvery {
		counts, err := c.db.Counts(context.Background())
		if err != nil {
			return store.Counts{}, err
		}
		c.counted, c.counts = now, counts
	}
	return c.counts, nil
}
