package enforcement

import (
	"context"
	"time"
)

// MaxAge returns how old a list the strictest of the relying parties takes that are
// connected: after so long without the CA the first of them asks nobody any more, and
// refuses. One that does not say is taken for one that has the default; zero if nobody is
// connected.
func (e *Registry) MaxAge(ctx context.Context, byDefault time.Duration) (time.Duration, error) {
	if err := e.catchUp(ctx, time.Second); err != nil {
		return 0, err
	}
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	var least time.Duration
	for _, p := range e.parties {
		if !p.connected(now) {
			continue
		}
		for _, s := range p.said {
			if !p.current(s) {
				continue
			}
			age := s.MaxAge
			if age == 0 {
				age = byDefault
			}
			if least == 0 || age < least {
				least = age
			}
		}
	}
	return least, nil
}
