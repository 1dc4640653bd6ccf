package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/store"
)

// CollectReplicas adds the daemons on the store to the metrics, and whether this one
// hears of revocations by the others.
func (m *Metrics) CollectReplicas(db *store.DB) { m.registry.MustRegister(&replicaCollector{db}) }

type replicaCollector struct{ db *store.DB }

var (
	replicasDesc    = desc("replicas", "Daemons on the store: live, or gone without a word in the last hour.", "state")
	replicaLiveDesc = desc("replica_live", "1 if a daemon on the store renewed its lease within 500 ms, else 0.", "replica", "version")
	replicaLagDesc  = desc("replica_lag", "CRL numbers between what a daemon on the store has applied and the newest revocation.", "replica")
	lapsedDesc      = desc("feed_lapsed", "1 if this daemon may not know of revocations by others, and answers OCSP with tryLater, else 0.")
	eldestDesc      = desc("feed_eldest", "1 for the daemon that does what one of them should do, else 0.")
)

func (c *replicaCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, replicasDesc, replicaLiveDesc, replicaLagDesc, lapsedDesc, eldestDesc)
}

func (c *replicaCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	out.gauge(lapsedDesc, truth(c.db.Lapsed()))
	out.gauge(eldestDesc, truth(c.db.Eldest()))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := c.db.Replicas(ctx) // a row for each daemon
	if err != nil {
		return // the database does not answer: that is a trouble of its own
	}
	live := 0
	named := map[string]bool{} // of several under one name, the first is the one that lives
	for _, r := range all {
		if r.Live {
			live++
		}
		if !named[r.Name] {
			named[r.Name] = true
			out.gauge(replicaLiveDesc, truth(r.Live), r.Name, r.Version)
			out.gauge(replicaLagDesc, float64(max(r.Newest-r.Seen, 0)), r.Name)
		}
	}
	out.gauge(replicasDesc, float64(live), "live")
	out.gauge(replicasDesc, float64(len(all)-live), "gone")
}
