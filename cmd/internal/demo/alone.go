package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/betonica/betonica/revoke/peer"
)

// stopCA ends the CA, and sees the others go on until the gateway's list is too old.
func (s *story) stopCA(ctx context.Context) (string, error) {
	now := time.Now()
	_, err := s.gateway.await(ctx, patience, "a heartbeat", func(e Event) bool { return e.Kind == string(peer.Enforced) && e.Time.After(now) })
	if err != nil {
		return "", err
	}
	s.ca.terminate() // the list is now as young as it gets
	if err := s.ca.gone(ctx); err != nil {
		return "", err
	}
	stopped := time.Now()
	answered, last, err := s.callOn(ctx, stopped.Add(2*maxAge))
	if err != nil {
		return "", err
	}
	if answered == 0 {
		return "", errors.New("the gateway refused pump-1 at once, though its list was fresh")
	}
	refused, err := s.gateway.await(ctx, patience, "refused", func(e Event) bool {
		return e.Kind == string(peer.Refused) && e.ID == s.one.ID && e.Time.After(stopped)
	})
	if err != nil {
		return "", err
	}
	if !strings.Contains(refused.Text, peer.ErrUnknown.Error()) {
		return "", fmt.Errorf("the gateway refused because %s", refused.Text)
	}
	ended, err := s.one.await(ctx, patience, "the connection is cut", func(e Event) bool { return e.Kind == kindEnded })
	if err != nil {
		return "", err
	}
	if ended.Time.Before(stopped) {
		return "", errors.New("the open connection of pump-1 was cut before")
	}
	return fmt.Sprintf("pump-1 went on for %s, %d calls; past max_age (%s) gw-1 refused", short(last.Sub(stopped)), answered, maxAge), s.ca.wait()
}

// callOn has pump-1 call until it is refused, which it must be by then. It returns
// how many calls were answered, and when the last one.
func (s *story) callOn(ctx context.Context, then time.Time) (answered int, last time.Time, err error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := s.one.call(ctx, s.door())
		if err != nil || a.Status != http.StatusOK {
			return answered, last, err
		}
		answered, last = answered+1, time.Now()
		if last.After(then) {
			return 0, last, fmt.Errorf("the gateway still answers, and has heard nothing of the CA for %s", 2*maxAge)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, last, context.Cause(ctx)
		}
	}
}

// auditLog verifies the log as it is, and with the revocation called something else.
func (s *story) auditLog(ctx context.Context) (string, error) {
	sound, said, err := s.ca.verify(ctx)
	if err != nil {
		return "", err
	}
	if !sound {
		return "", fmt.Errorf("untouched: %s", firstLine(said))
	}
	entries, _, _ := strings.Cut(strings.TrimPrefix(firstLine(said), "verified "), " of ")
	was, err := s.ca.edit(ctx, s.entry, "certificate.issue")
	if err != nil {
		return "", err
	}
	sound, said, err = s.ca.verify(ctx)
	if err != nil {
		return "", err
	}
	if sound || !strings.Contains(firstLine(said), fmt.Sprintf("entry %d:", s.entry)) {
		return "", fmt.Errorf("with entry %d edited: %s", s.entry, firstLine(said))
	}
	finding, _, _ := strings.Cut(firstLine(said), " (") // and what it says
	if s.Keep {
		if _, err := s.ca.edit(ctx, s.entry, was); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s verified; after one UPDATE: %s", entries, finding), nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
