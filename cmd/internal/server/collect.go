package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/store"
)

// Collect adds what the store knows to the metrics, and whether certificates can be
// issued.
func (m *Metrics) Collect(db *store.DB, ready func() error) {
	m.registry.MustRegister(&collector{ready: ready, counts: counted[store.Counts]{group: &m.counting, count: func(ctx context.Context) (store.Counts, error) { return db.Counts(ctx) }}},
		&storeCollector{db: db})
}

// A collector tells of what is on record.
type collector struct {
	ready  func() error
	counts counted[store.Counts]
}

var (
	readyDesc    = desc("ready", "1 if certificates can be issued and revocations heard of, else 0.")
	troubleDesc  = desc("trouble", "1 for each trouble that keeps the daemon from its work, as /readyz names it, else 0.", "trouble")
	stateDesc    = desc("identities", "Identities on record, by state.", "state")
	suspectsDesc = desc("identities_suspect", "Identities about which something was alarmed.")
	doubtfulDesc = desc("identities_doubtful", "Identities that are unattested, ownerless or dormant, suspended for it or not.", "why")
	liveDesc     = desc("certificates_live", "Certificates that are in time and not revoked.")
	revokedDesc  = desc("certificates_revoked", "Certificates that are in time and revoked.")
	openDesc     = desc("tokens_open", "Join tokens that can still be spent.")
)

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	describe(to, readyDesc, troubleDesc, stateDesc, suspectsDesc, doubtfulDesc, liveDesc, revokedDesc, openDesc)
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	troubles := map[store.Trouble]bool{}
	for _, t := range store.Troubles(c.ready()) {
		troubles[t] = true
	}
	out.gauge(readyDesc, truth(len(troubles) == 0))
	for _, t := range store.AllTroubles() {
		out.gauge(troubleDesc, truth(troubles[t]), string(t))
	}
	counts, known, err := c.counts.get()
	if err != nil {
		to <- prometheus.NewInvalidMetric(stateDesc, err)
	}
	if !known {
		return
	}
	for _, state := range []store.State{store.Pending, store.Active, store.Suspended, store.Revoked, store.Retired} {
		out.gauge(stateDesc, float64(counts.Identities[state]), string(state))
	}
	out.gauge(suspectsDesc, float64(counts.Suspects))
	for why, n := range counts.Doubtful {
		out.gauge(doubtfulDesc, float64(n), string(why))
	}
	out.gauge(liveDesc, float64(counts.Live-counts.Revoked))
	out.gauge(revokedDesc, float64(counts.Revoked))
	out.gauge(openDesc, float64(counts.OpenTokens))
}
