package peer_test

import (
	"context"
	"log"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// An exampleCA is a CA for tests, and what examples open at it.
type exampleCA struct {
	*peertest.CA
	machines map[string]*peertest.Identity
	ends     []func()
}

func newExampleCA() *exampleCA {
	tb := &exampleTB{}
	return &exampleCA{CA: peertest.New(tb), machines: map[string]*peertest.Identity{}, ends: []func(){tb.end}}
}

func (ca *exampleCA) open(path string, change ...func(*peer.Config)) *peer.Peer {
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		log.Fatal(err)
	}
	id := ca.Identity(path)
	ca.machines[path] = id
	c := peer.Config{Source: id, State: dir, Allow: []string{peertest.Everyone}, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	p, err := peer.Open(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	ca.ends = append(ca.ends, func() { p.Close(); os.RemoveAll(dir) })
	return p
}

func (ca *exampleCA) end() {
	for i := len(ca.ends) - 1; i >= 0; i-- {
		ca.ends[i]()
	}
}

// awaitNumber returns once the peer enforces that list, which takes milliseconds.
func awaitNumber(p *peer.Peer, number int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for p.Number() < number {
		select {
		case <-tick.C:
		case <-deadline:
			log.Fatalf("list %d does not come", number)
		}
	}
}

// An exampleTB stands for the *testing.T that an example has not.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (tb *exampleTB) Helper()                        {}
func (tb *exampleTB) Cleanup(f func())               { tb.cleanups = append(tb.cleanups, f) }
func (tb *exampleTB) Errorf(format string, a ...any) { log.Fatalf(format, a...) }

func (tb *exampleTB) end() {
	for _, f := range tb.cleanups {
		f()
	}
}
