package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/revoke/peer"
)

// playOn starts the CA again, has pump-1 call every second, says what there is to
// play with, and shows what the machines notice until ctx ends.
func (s *story) playOn(ctx context.Context) error {
	if err := s.ca.serve(ctx, s.add); err != nil {
		return err
	}
	began := time.Now()
	if err := s.one.ask(ctx, "Begin", Round{URL: s.door(), Pause: time.Second}, &struct{}{}); err != nil {
		return err
	}
	s.explain()
	news := make(chan string)
	var watchers sync.WaitGroup
	for _, r := range []*remote{s.gateway, s.one} {
		watchers.Go(func() {
			for last := ""; ; {
				e, err := r.await(ctx, 365*24*time.Hour, "", func(e Event) bool { return e.Time.After(began) && worthTelling(e) })
				if err != nil {
					return // ctx has ended, or the machine
				}
				line := tell(e)
				if line == last {
					continue
				}
				last = line
				select {
				case news <- e.Time.Format(time.TimeOnly) + "  " + r.name + ": " + line:
				case <-ctx.Done():
				}
			}
		})
	}
	go func() {
		watchers.Wait()
		close(news)
	}()
	for line := range news {
		fmt.Fprintln(s.Notes, line)
	}
	fmt.Fprintf(s.Notes, "\nended; what is left of it: rm -r %s\n", s.dir)
	return nil
}

// worthTelling holds for what a person would like to see.
func worthTelling(e Event) bool {
	switch e.Kind {
	case kindAnswered, kindFailed, string(peer.Cut), string(peer.Refused), string(peer.Stale), string(agent.Renewed):
		return true
	}
	return false
}

// tell says what happened.
func tell(e Event) string {
	switch e.Kind {
	case kindAnswered:
		return "calls are answered"
	case kindFailed:
		return "calls fail: " + e.Text
	}
	line := e.Kind
	if e.ID != "" {
		line += " " + e.ID
	}
	if e.Text != "" {
		line += ": " + e.Text
	}
	return line
}

// explain says what runs, and what to try.
func (s *story) explain() {
	fmt.Fprintf(s.Notes, `
It all runs on: pump-1 calls gw-1 every second, and what the machines notice is shown
here. Ctrl-C ends it.

  directory  %[1]s
  CA         %[2]s, socket %[3]s
  gw-1       %[4]s
  logs       %[1]s/*.log

In another terminal:

  export BETONICA_SOCKET=%[3]s
  betonica identity list
  curl --cacert %[1]s/pump-1/current/roots.pem --resolve gw-1.%[5]s:%[6]s:127.0.0.1 \
       --cert %[1]s/pump-1/current/cert.pem --key %[1]s/pump-1/current/key.pem -d '4.2 ml/h' https://gw-1.%[5]s:%[6]s%[7]s
  betonica revoke device/pump-1 --yes        # and watch what becomes of it, here
  betonica audit list
  betonicad audit verify --dir %[1]s/ca

`, s.dir, s.ca.url(), s.ca.urls.Socket, s.door(), trustDomain, port(s.gateway.Address), pathReading)
}
