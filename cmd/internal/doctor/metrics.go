package doctor

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// A sample is one value of a metric.
type sample struct {
	labels map[string]string
	value  float64
}

// samples returns the values of a gauge or a counter; none if it is not told.
func (d *Daemon) samples(name string) []sample {
	family := d.metrics[name]
	if family == nil {
		return nil
	}
	var all []sample
	for _, m := range family.GetMetric() {
		s := sample{labels: map[string]string{}, value: valueOf(m)}
		for _, l := range m.GetLabel() {
			s.labels[l.GetName()] = l.GetValue()
		}
		all = append(all, s)
	}
	return all
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Counter != nil:
		return m.Counter.GetValue()
	}
	return m.GetUntyped().GetValue()
}

// value returns the value with these labels, pairs of name and value; known is false
// if there is none.
func (d *Daemon) value(name string, labels ...string) (value float64, known bool) {
next:
	for _, s := range d.samples(name) {
		for i := 0; i+1 < len(labels); i += 2 {
			if s.labels[labels[i]] != labels[i+1] {
				continue next
			}
		}
		return s.value, !math.IsNaN(s.value)
	}
	return 0, false
}

// seconds is value as a time.
func (d *Daemon) seconds(name string, labels ...string) (time.Duration, bool) {
	v, known := d.value(name, labels...)
	if math.Abs(v) > math.MaxInt64/float64(time.Second)/2 {
		return 0, false
	}
	return time.Duration(v * float64(time.Second)), known
}

func (d *Daemon) version() string {
	for _, s := range d.samples("betonica_build_info") {
		return s.labels["version"]
	}
	return ""
}
