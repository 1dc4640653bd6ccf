package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/store"
)

// CollectArchive adds how much of the archive of journals is taken to the metrics; most
// is its bound, 0 for none.
func (m *Metrics) CollectArchive(db *store.DB, most int64) {
	m.registry.MustRegister(&archiveCollector{db, most})
}

type archiveCollector struct {
	db   *store.DB
	most int64
}

var (
	archiveDesc    = desc("archive_bytes", "What guards shipped of their journals, as it is kept.")
	archiveMaxDesc = desc("archive_max_bytes", "How much of it is kept at most, as configured; 0 for any.")
)

func (c *archiveCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, archiveDesc, archiveMaxDesc)
}

func (c *archiveCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	out.gauge(archiveMaxDesc, float64(c.most))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if taken, err := c.db.ArchiveBytes(ctx); err == nil {
		out.gauge(archiveDesc, float64(taken))
	}
}
