package guard

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

var errStopped = errors.New("the guard has stopped")

// Reload changes the routes, the rules and the bounds to those of another
// configuration. Connections of a route that stays as it is stay, too; those of one that
// was changed or removed have Config.Drain to end. A listener whose address stays is not
// closed. Nothing is changed if anything of it is not possible: the error says what.
//
// What belongs to the process (dir, state, journal, ops, lists, agent, landlock, and
// whether rules are a file's or the CA's) is as it was until the next start; another
// value there is an error.
func (g *Guard) Reload(ctx context.Context, c Config) error {
	c, err := c.normal()
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return errStopped
	}
	if before := g.conf.fixed(); !reflect.DeepEqual(before, c.fixed()) {
		return errors.New("dir, state, journal, ops, lists, agent, no_landlock, and whether rules are the CA's, cannot change while the guard runs: start it anew")
	}
	if g.rules.ca == nil && c.Rules == "" && c.serves() {
		return errors.New("rules of the CA are followed from the start of a guard with a backend: start it anew, or name a file")
	}
	next, err := g.rules.draft(c.Rules)
	if err != nil {
		return err
	}
	if err := g.applyLocked(ctx, c); err != nil {
		return err
	}
	g.rules.take(next)
	return nil
}

// fixed is what of a configuration does not change while a guard runs.
func (c Config) fixed() Config {
	if c.Rules != "" {
		c.Rules = "a file" // any
	}
	c.Drain, c.MaxConnections, c.MaxPerAddress, c.Routes = Duration{}, 0, 0, nil
	return c
}

func (g *Guard) apply(ctx context.Context, c Config) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.applyLocked(ctx, c)
}

// applyLocked makes c's routes those that are served: first whatever can fail, then the
// change, which cannot.
func (g *Guard) applyLocked(ctx context.Context, c Config) (err error) {
	opened, made := map[string]*socket{}, map[string]*served{}
	defer func() {
		if err == nil {
			return
		}
		for _, k := range opened {
			k.Close()
		}
		for _, s := range made {
			s.cancel()
		}
	}()
	for _, r := range c.Routes {
		at := r.address()
		k := g.sockets[at]
		if k != nil && reflect.DeepEqual(k.current.conf, r) {
			continue
		}
		if k == nil {
			if opened[at], err = listen(ctx, r); err != nil {
				delete(opened, at)
				return fmt.Errorf("listening for route %q: %w", r.Name, err)
			}
		}
		if made[at], err = g.newServed(r); err != nil {
			delete(made, at)
			return err
		}
	}
	g.conf = c
	g.crowd.bound(c.MaxConnections, c.MaxPerAddress)
	wanted := map[string]bool{}
	for _, r := range c.Routes {
		wanted[r.address()] = true
	}
	for at, k := range g.sockets {
		if !wanted[at] {
			k.Close()
			delete(g.sockets, at)
			g.letGo(k.give(nil))
		}
	}
	for at, s := range made {
		k := g.sockets[at]
		if k == nil {
			k = opened[at]
			g.sockets[at] = k
			if g.running {
				g.accepts.Go(func() { g.accept(k) })
			}
		}
		g.letGo(k.give(s))
		g.log.InfoContext(ctx, "serving", "route", s.conf.Name, "address", k.Addr().String(), "target", s.route.Target, "observe", s.conf.Observe)
	}
	return nil
}

// letGo ends a route whose place another has taken, or none.
func (g *Guard) letGo(s *served) {
	if s == nil {
		return
	}
	grace, cancel := context.WithTimeout(context.Background(), g.conf.Drain.D)
	g.retiring.Go(func() {
		defer cancel()
		s.retire(grace.Done())
	})
}
