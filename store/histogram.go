package store

import (
	"slices"
	"sync/atomic"
)

// A Histogram counts values by how large they are.
type Histogram struct {
	Bounds []float64 // upper ends of the buckets, each included, ascending
	Counts []uint64  // values up to each of them
	Count  uint64    // all values
	Sum    float64   // of all values
}

// A histogram is what a Histogram is read from: one adds, any number read. A value
// is added without a lock, in a dozen comparisons. A value is a whole number of units,
// of which scale are 1.
type histogram struct {
	bounds []float64
	scale  float64
	counts []atomic.Uint64 // of each bucket, and last of what is above them
	sum    atomic.Int64
}

func newHistogram(scale float64, bounds ...float64) *histogram {
	return &histogram{bounds: bounds, scale: scale, counts: make([]atomic.Uint64, len(bounds)+1)}
}

func (h *histogram) add(units int64) {
	bucket, _ := slices.BinarySearch(h.bounds, float64(units)/h.scale)
	h.counts[bucket].Add(1)
	h.sum.Add(units)
}

func (h *histogram) read() Histogram {
	r := Histogram{Bounds: h.bounds, Counts: make([]uint64, len(h.bounds)), Sum: float64(h.sum.Load()) / h.scale}
	for i := range h.counts {
		r.Count += h.counts[i].Load()
		if i < len(r.Counts) {
			r.Counts[i] = r.Count
		}
	}
	return r
}
