package server

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what /metrics tells. They carry no label that a stranger chooses:
// a route is a pattern of routes.go, a code is a status that we gave.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	counting sync.WaitGroup // of what is being counted in the background
}

// NewMetrics returns metrics of this process, and of nothing else yet.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "betonica_http_requests_total", Help: "Requests answered, by listener, route and status.",
		}, []string{"listener", "route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "betonica_http_request_seconds", Help: "Time from a request's header to its answer's end.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"listener", "route"}),
	}
	m.registry.MustRegister(m.requests, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Wait returns when nothing is being counted in the background any more. There must
// be no scrape from then on.
func (m *Metrics) Wait() { m.counting.Wait() }

func (m *Metrics) observe(listener, route string, code int, took time.Duration) {
	m.requests.WithLabelValues(listener, route, strconv.Itoa(code)).Inc()
	m.seconds.WithLabelValues(listener, route).Observe(took.Seconds())
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
