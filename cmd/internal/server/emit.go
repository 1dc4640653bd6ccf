package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/store"
)

// An emitter is where a collector's metrics go. Each must be given the labels of its
// description, in that order.
type emitter chan<- prometheus.Metric

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e emitter) counter(d *prometheus.Desc, v float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (e emitter) histogram(d *prometheus.Desc, h store.Histogram) {
	buckets := make(map[float64]uint64, len(h.Bounds))
	for i, bound := range h.Bounds {
		buckets[bound] = h.Counts[i]
	}
	e <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum, buckets)
}

// describe is Describe of a collector with these descriptions.
func describe(to chan<- *prometheus.Desc, all ...*prometheus.Desc) {
	for _, d := range all {
		to <- d
	}
}

// desc returns the description of betonica_<name>.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("betonica_"+name, help, labels, nil)
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
