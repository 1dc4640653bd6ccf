package agent

import (
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/turns"
)

// A simulated CA has two cores, of which a handshake and a renewal take what they take
// on a real one, and the queue of the real one.
type simulatedCA struct {
	back  time.Time // it is away until then
	cores chan struct{}
	queue *turns.Queue
}

const (
	handshakeTime = 500 * time.Microsecond
	renewalTime   = time.Millisecond
	commitTime    = 10 * time.Millisecond
)

func (c *simulatedCA) compute(d time.Duration) {
	c.cores <- struct{}{}
	time.Sleep(d)
	<-c.cores
}

// renew is what happens to a machine that asks for a certificate in place of one that ends
// then.
func (c *simulatedCA) renew(t *testing.T, end time.Time) error {
	if time.Now().Before(c.back) {
		return errors.New("connection refused")
	}
	c.compute(handshakeTime)
	leave, err := c.queue.Enter(t.Context(), crand.Text(), end)
	if busy, ok := errors.AsType[*turns.BusyError](err); ok {
		return &api.Problem{Status: 503, RetryAfter: busy.RetryAfter}
	}
	if err != nil {
		return err
	}
	defer leave()
	c.compute(renewalTime)
	time.Sleep(commitTime)
	return nil
}

// Of a hundred thousand machines whose certificates are all due when the CA comes back
// none loses its own, and whoever else asks for something meanwhile hardly notices:
// after two minutes, in which nobody's patience has grown, and after most of a day, when
// the first has ten minutes left.
func TestOutage(t *testing.T) {
	for _, tt := range []struct {
		name string
		away time.Duration // from when the first are due
		left time.Duration // of the shortest life, when it is back
	}{{"minutes", 2 * time.Minute, 8 * time.Hour}, {"day", 12 * time.Hour, 10 * time.Minute}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ca := &simulatedCA{back: start.Add(tt.away), cores: make(chan struct{}, 2), queue: turns.New(turns.Config{})}
				var machines sync.WaitGroup
				var mu sync.Mutex
				expired, tries := 0, 0
				var last time.Time
				for range fleet {
					due := start.Add(rand.N(tt.away))
					end := ca.back.Add(tt.left + rand.N(4*time.Hour))
					machines.Go(func() {
						var b backoff
						for now := start; ; now = time.Now() {
							time.Sleep(later(due, b.until).Sub(now))
							err := ca.renew(t, end)
							now := time.Now()
							mu.Lock()
							tries++
							if now.After(end) {
								expired++
							}
							last = now
							mu.Unlock()
							if err == nil {
								return
							}
							b.fail(now, err, end.Sub(now))
						}
					})
				}
				// Others: twenty a second, for as long as the rush lasts.
				time.Sleep(time.Until(ca.back))
				var others sync.WaitGroup
				var waits []time.Duration
				for range 20 * 60 * 5 {
					others.Go(func() {
						begin := time.Now()
						ca.compute(handshakeTime)
						ca.compute(renewalTime)
						time.Sleep(commitTime)
						mu.Lock()
						waits = append(waits, time.Since(begin))
						mu.Unlock()
					})
					time.Sleep(50 * time.Millisecond)
				}
				others.Wait()
				machines.Wait()
				slices.Sort(waits)
				p99 := waits[len(waits)*99/100]
				_, _, away := ca.queue.Stats()
				t.Logf("%d machines, %d tries, %d of them told to come back; all renewed %s after the CA was back; others: p50 %s, p99 %s",
					fleet, tries, away, last.Sub(ca.back).Round(time.Second), waits[len(waits)/2], p99)
				require.Zero(t, expired)
				require.Less(t, p99, 200*time.Millisecond)
			})
		})
	}
}
