package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// CollectClock adds what version runs, and what is known of the clock, to the metrics.
func (m *Metrics) CollectClock(version string) {
	m.registry.MustRegister(&clockCollector{time.Now(), version})
}

type clockCollector struct {
	start   time.Time // with the monotonic clock's reading
	version string
}

var (
	buildDesc = desc("build_info", "1, with the version that runs.", "version")
	driftDesc = desc("clock_drift_seconds", "How far the wall clock has moved against the monotonic clock since the start. Beyond 300 nothing about revocation is signed.")
	syncDesc  = desc("clock_synchronized", "1 if the kernel says that its clock is synchronized, else 0.")
)

func (c *clockCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, buildDesc, driftDesc, syncDesc)
}

func (c *clockCollector) Collect(to chan<- prometheus.Metric) {
	out, now := emitter(to), time.Now()
	out.gauge(buildDesc, 1, c.version)
	out.gauge(driftDesc, (now.Round(0).Sub(c.start.Round(0)) - now.Sub(c.start)).Seconds())
	if synchronized, err := ClockSynchronized(); err == nil {
		out.gauge(syncDesc, truth(synchronized))
	}
}

// ClockSynchronized says whether the kernel takes its clock for right: some program
// keeps it so (adjtimex(2)). It changes nothing.
func ClockSynchronized() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, err
}
