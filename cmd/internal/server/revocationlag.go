package server

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/store"
)

// A RevocationLag measures how long it takes from the commit of a revocation, as this
// process hears of it, until a signed delta has it. It may be used concurrently.
type RevocationLag struct {
	seconds prometheus.Histogram

	mu      sync.Mutex
	waiting map[string]waiting // by issuer
}

// waiting are the revocations of one issuer that no delta has: of any number of them
// the first and the last are remembered.
type waiting struct{ first, last committed }

type committed struct {
	number int64
	at     time.Time
}

// NewRevocationLag returns one that has measured nothing.
func NewRevocationLag() *RevocationLag {
	return &RevocationLag{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "betonica_revocation_publish_seconds", Help: "Time from a revocation's commit to the signed delta that has it.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}),
		waiting: map[string]waiting{},
	}
}

// Revoked begins to measure what was committed just now: it is for
// [store.DB.OnRevoked].
func (l *RevocationLag) Revoked(all []store.Revocation) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range all {
		w := l.waiting[r.Issuer]
		w.last = committed{r.Number, now}
		if w.first.number == 0 {
			w.first = w.last
		}
		l.waiting[r.Issuer] = w
	}
}

// Published ends the measurement of what a delta of this number has.
func (l *RevocationLag) Published(issuer string, number int64) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.waiting[issuer]
	if !ok || number < w.first.number {
		return
	}
	l.seconds.Observe(now.Sub(w.first.at).Seconds())
	if number >= w.last.number {
		delete(l.waiting, issuer)
		return
	}
	w.first = w.last
	l.waiting[issuer] = w
}
