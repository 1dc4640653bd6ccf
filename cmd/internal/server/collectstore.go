package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/store"
)

// A storeCollector tells of the writer, and of the audit log. It costs no query.
type storeCollector struct{ db *store.DB }

var (
	waitingDesc  = desc("store_waiting", "Writes that wait for the writer.")
	callsDesc    = desc("store_writes_total", "Writes since the start.")
	batchesDesc  = desc("store_transactions_total", "Transactions since the start: each holds all writes that came together.")
	busyDesc     = desc("store_busy_seconds_total", "Time spent in transactions.")
	commitsDesc  = desc("store_commit_seconds", "How long the transactions that are on disk took.")
	sizesDesc    = desc("store_commit_writes", "How many writes each transaction that is on disk held.")
	entriesDesc  = desc("audit_entries", "Entries of the audit log.")
	unsignedDesc = desc("audit_unsigned_entries", "Entries of the audit log that no signed checkpoint covers yet.")
	dataKeyDesc  = desc("audit_data_key_timestamp_seconds", "When the key was made that entries of the audit log are sealed under.")
	wrappingDesc = desc("audit_wrapping_key_timestamp_seconds", "When the key was made that wraps the data keys of the audit log.")
	signedDesc   = desc("audit_checkpoint_age_seconds", "Age of the newest signed checkpoint of the audit log.")
)

func (c *storeCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, waitingDesc, callsDesc, batchesDesc, busyDesc, commitsDesc, sizesDesc, entriesDesc, unsignedDesc, signedDesc, dataKeyDesc, wrappingDesc)
}

func (c *storeCollector) Collect(to chan<- prometheus.Metric) {
	out, stats := emitter(to), c.db.Stats()
	out.gauge(waitingDesc, float64(stats.Waiting))
	out.counter(callsDesc, float64(stats.Calls))
	out.counter(batchesDesc, float64(stats.Batches))
	out.counter(busyDesc, stats.Busy.Seconds())
	out.histogram(commitsDesc, stats.Commits)
	out.histogram(sizesDesc, stats.Sizes)
	out.gauge(entriesDesc, float64(stats.Entries))
	keys := c.db.KeyAges()
	out.gauge(dataKeyDesc, float64(keys.Newest.Unix()))
	out.gauge(wrappingDesc, float64(keys.Wrapped.Unix()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	signed, err := c.db.LatestCheckpoint(ctx) // from memory, but before the first
	if err != nil {
		return // there is none yet
	}
	out.gauge(unsignedDesc, float64(max(0, stats.Entries-signed.Size)))
	out.gauge(signedDesc, max(0, time.Since(signed.At).Seconds()))
}
