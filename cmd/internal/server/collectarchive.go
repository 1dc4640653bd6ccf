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

	archiveRecordsDesc = desc("archive_records", "Entries of guards' journals that are kept.")
	archiveOldestDesc  = desc("archive_oldest_timestamp_seconds", "When the oldest of them came; 0 while there is none.")
)

func (c *archiveCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, archiveDesc, archiveMaxDesc, archiveRecordsDesc, archiveOldestDesc)
}

func (c *archiveCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	out.gauge(archiveMaxDesc, float64(c.most))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	held, err := c.db.ArchiveContent(ctx)
	if err != nil {
		return
	}
	out.gauge(archiveDesc, float64(held.Bytes))
	out.gauge(archiveRecordsDesc, float64(held.Records))
	oldest := int64(0)
	if !held.Oldest.IsZero() {
		oldest = held.Oldest.Unix()
	}
	out.gauge(archiveOldestDesc, float64(oldest))
}
