package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/cmd/internal/watch"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

// CollectAlerts adds the alerts that are open, and what the watch over the log does, to the
// metrics.
func (m *Metrics) CollectAlerts(db *store.DB, stats func() watch.Stats) {
	m.registry.MustRegister(&alertCollector{db, stats})
}

type alertCollector struct {
	db    *store.DB
	stats func() watch.Stats
}

var (
	alertsOpenDesc     = desc("alerts_open", "Alerts that are not resolved.", "severity")
	alertWatchingDesc  = desc("alert_watching", "1 for the daemon that has the watch over the log, else 0.")
	alertBehindDesc    = desc("alert_behind_seconds", "Age of the next entry of the log that the watch is to read; 0 if it has read all.")
	alertFactsDesc     = desc("alert_facts_total", "Facts that the rules took in since this daemon has the watch.")
	alertQuietDesc     = desc("alert_suppressed_total", "Findings that were no alert: planned work, or what many machines did alike.")
	alertEvictedDesc   = desc("alert_evicted_total", "Machines that were forgotten for want of room, and are learned anew.")
	alertUntrackedDesc = desc("alert_untracked_total", "Facts about machines that there was no room for.")
	alertMachinesDesc  = desc("alert_machines", "Machines whose habits are known.")
	alertHeldDesc      = desc("alert_held", "Findings that wait for a reason to drop them.")
)

func (c *alertCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, alertsOpenDesc, alertWatchingDesc, alertBehindDesc, alertFactsDesc, alertQuietDesc, alertEvictedDesc, alertUntrackedDesc, alertMachinesDesc, alertHeldDesc)
}

func (c *alertCollector) Collect(to chan<- prometheus.Metric) {
	out, s := emitter(to), c.stats()
	out.gauge(alertWatchingDesc, truth(s.Watching))
	out.gauge(alertBehindDesc, s.Behind.Seconds())
	out.counter(alertFactsDesc, float64(s.Facts))
	out.counter(alertQuietDesc, float64(s.Suppressed))
	out.counter(alertEvictedDesc, float64(s.Evicted))
	out.counter(alertUntrackedDesc, float64(s.Untracked))
	out.gauge(alertMachinesDesc, float64(s.Machines))
	out.gauge(alertHeldDesc, float64(s.Held))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	open, err := c.db.AlertCounts(ctx)
	if err != nil {
		return
	}
	for severity := alert.Low; severity <= alert.Critical; severity++ {
		out.gauge(alertsOpenDesc, float64(open[int(severity)]), severity.String())
	}
}
