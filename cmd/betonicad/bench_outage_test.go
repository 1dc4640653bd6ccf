package main_test

import (
	"crypto/tls"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

var returning = flag.Int("returning", 10_000, "machines that come back at once in BenchmarkOutage")

// BenchmarkOutage is a fleet whose CA was away for some seconds while all of it was due:
// each machine comes within ten seconds of its return, over a connection of its own, and
// again when it is told to. Beside them, twenty times a second, somebody else asks for
// the newest checkpoint, over a new connection, too: what that takes is p99-ms.
func BenchmarkOutage(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *bench) {
		var fleet []returner
		for _, own := range d.machines(b, *returning) {
			fleet = append(fleet, returner{own, newRequest(b)})
		}
		begin := time.Now()
		var deferred, failed atomic.Int64
		var machines sync.WaitGroup
		for _, m := range fleet {
			machines.Go(func() {
				time.Sleep(rand.N(10 * time.Second))
				for range 100 {
					wait, err := m.renew(d)
					if err == nil {
						return
					}
					if wait == 0 {
						failed.Add(1)
						wait = time.Second
					} else {
						deferred.Add(1)
					}
					time.Sleep(wait)
				}
				b.Error("a machine was not renewed")
			})
		}
		gone := make(chan struct{})
		go func() { machines.Wait(); close(gone) }()
		waits := d.others(b, gone)
		b.ReportMetric(time.Since(begin).Seconds(), "s-until-all")
		b.ReportMetric(float64(deferred.Load()), "deferred")
		b.ReportMetric(float64(failed.Load()), "failed-tries")
		b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1e3, "p50-ms")
		b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1e3, "p99-ms")
		b.ReportMetric(0, "ns/op")
	})
}

// A returner is a machine with a certificate, and its next request.
type returner struct {
	own  tls.Certificate
	next request
}

// renew returns how long to wait if it was told to come back later.
func (m returner) renew(d *bench) (time.Duration, error) {
	c, err := dial(d.HTTPS, d.roots, m.own)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	resp, answer, err := c.send(api.PathRenew, "", m.next.csr)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode == http.StatusCreated {
		return 0, nil
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second, fmt.Errorf("%s: %s", resp.Status, answer)
}

// others asks for the checkpoint until all are gone, and returns what each took, sorted.
func (d *bench) others(b *testing.B, gone chan struct{}) []time.Duration {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: d.roots, ServerName: "localhost"}}}
	var mu sync.Mutex
	var waits []time.Duration
	var all sync.WaitGroup
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for asking := true; asking; {
		all.Go(func() {
			begin := time.Now()
			resp, err := client.Get("https://" + d.HTTPS + api.PathCheckpoint)
			if err != nil {
				b.Error(err)
				return
			}
			resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, time.Since(begin))
		})
		select {
		case <-tick.C:
		case <-gone:
			asking = false
		}
	}
	all.Wait()
	slices.Sort(waits)
	return waits
}
