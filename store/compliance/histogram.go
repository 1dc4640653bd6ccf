package compliance

import "time"

// A Histogram counts lengths of time, in buckets that people think in.
type Histogram [len(bounds) + 1]int64

var bounds = [...]time.Duration{time.Hour, 6 * time.Hour, day, 7 * day, 30 * day, 90 * day, 366 * day}

const day = 24 * time.Hour

// Buckets are the names of a histogram's buckets.
func Buckets() [len(bounds) + 1]string {
	return [...]string{"1 hour", "6 hours", "1 day", "1 week", "30 days", "90 days", "1 year", "more"}
}

// Add counts a length, each bucket up to its bound.
func (h *Histogram) Add(d time.Duration) {
	for i, b := range bounds {
		if d <= b {
			h[i]++
			return
		}
	}
	h[len(bounds)]++
}

// Total is how many were counted.
func (h *Histogram) Total() (n int64) {
	for _, c := range h {
		n += c
	}
	return n
}
