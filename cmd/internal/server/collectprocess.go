package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// CollectProcess adds what version runs and where it listens, and what is known of the
// clock, to the metrics.
func (m *Metrics) CollectProcess(version string, l *Listeners) {
	m.registry.MustRegister(&processCollector{time.Now(), version, l.URLs(), l.line})
}

type processCollector struct {
	start   time.Time // with the monotonic clock's reading
	version string
	urls    adminapi.URLs
	line    *line
}

var (
	buildDesc  = desc("build_info", "1, with the version that runs.", "version")
	listenDesc = desc("listener_info", "1, with the address of a listener.", "listener", "address")
	shakeDesc  = desc("tls_handshakes_waiting", "New connections that wait until a processor has time for their TLS handshake.")
	driftDesc  = desc("clock_drift_seconds", "How far the wall clock has moved against the monotonic clock since the start. Beyond 300 nothing about revocation is signed.")
	syncDesc   = desc("clock_synchronized", "1 if the kernel says that its clock is synchronized, else 0.")
)

func (c *processCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, buildDesc, listenDesc, shakeDesc, driftDesc, syncDesc)
}

func (c *processCollector) Collect(to chan<- prometheus.Metric) {
	out, now := emitter(to), time.Now()
	out.gauge(buildDesc, 1, c.version)
	for listener, address := range map[string]string{"https": c.urls.HTTPS, "http": c.urls.HTTP, "est": c.urls.EST, "ops": c.urls.Ops, "socket": c.urls.Socket} {
		if address != "" {
			out.gauge(listenDesc, 1, listener, address)
		}
	}
	out.gauge(shakeDesc, float64(c.line.waiting.Load()))
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
