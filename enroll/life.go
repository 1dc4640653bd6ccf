package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

const (
	// respite is how long an identity without an owner is left alone after it was made
	// or resumed.
	respite = 7 * 24 * time.Hour

	lifeLook   = 10 * time.Second // how often it is looked whether it is time
	lifeEvery  = 5 * time.Minute  // from one count to the next, at least
	lifeShare  = 1                // and so many times as long as the last one took
	lifePage   = 250              // identities that are read at once
	lifeRest   = 7                // times as long as a page took, until the next
	lifeSleeps = 20               // identities that are suspended in one transaction
	lifeGroups = 5000             // roles and sites that are told apart
)

// Cutoffs returns before when identities of each role have to have been attested, in the
// order of the roles' names; roles that want no attestation are not among them.
func (r *Registrar) Cutoffs() (all []store.Cutoff) {
	policy, now := r.Policies.Current(), r.now()
	for _, name := range slices.Sorted(slices.Values(policy.Roles())) {
		if role, _ := policy.Role(name); role.AttestEvery > 0 {
			all = append(all, store.Cutoff{Role: name, Before: now.Add(-role.AttestEvery)})
		}
	}
	return all
}

// Grace returns the longest time after its end for which any role has a certificate
// renewed.
func (r *Registrar) Grace() (most time.Duration) {
	policy := r.Policies.Current()
	for _, name := range policy.Roles() {
		role, _ := policy.Role(name)
		most = max(most, role.Grace)
	}
	return most
}

// A doubt is what makes an identity doubtful, by what its role says: one without an owner
// is only listed, unless the role wants one.
type doubt struct {
	dormant, unattested, ownerless bool
	suspend                        store.Why // for what its role has it suspended; empty: not
}

// doubtOf judges a life. Roles of people who manage machines, and the CA's own, are
// never suspended by themselves; nor is anybody for a time in which the CA was away.
func doubtOf(role ca.Role, l store.Life, now time.Time, away absences) (d doubt) {
	past := func(since time.Time, limit time.Duration) bool {
		return now.Sub(since) >= limit && away.served(since, now) >= limit
	}
	d.dormant = role.DormantAfter > 0 && !l.Ends.After(now) && past(l.Awake(), role.DormantAfter)
	d.unattested = role.AttestEvery > 0 && now.Sub(l.Attested) >= role.AttestEvery
	d.ownerless = l.Owner == "" && (role.OwnerRequired || role.SuspendStale)
	rested := l.Created
	if l.Resumed.After(rested) {
		rested = l.Resumed
	}
	switch {
	case ca.Privileged(role.Name) || role.Name == ca.RoleCA:
	case d.dormant:
		d.suspend = store.Dormant
	case !role.SuspendStale:
	case d.unattested && past(l.Attested, role.AttestEvery):
		d.suspend = store.Unattested
	case d.ownerless && past(rested, respite):
		d.suspend = store.Ownerless
	}
	return d
}

// RunLives tends lives while this process is the one to do it, until ctx is done. It
// returns nil then.
func (r *Registrar) RunLives(ctx context.Context) error {
	tick := time.NewTicker(lifeLook)
	defer tick.Stop()
	var next time.Time
	for {
		if r.store.Eldest() && !r.now().Before(next) {
			began := time.Now()
			if err := r.TendLives(ctx); err != nil && ctx.Err() == nil {
				r.log.ErrorContext(ctx, "lives were not counted", "error", err)
			}
			next = r.now().Add(max(lifeEvery, lifeShare*time.Since(began)))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// TendLives goes through all active identities once, a page at a time and with rest
// between pages: it counts who falls when and who is in doubt, and suspends those whose
// role says so. It never revokes.
func (r *Registrar) TendLives(ctx context.Context) error {
	began, walked, n := r.now(), time.Now(), 0
	c := census{groups: map[[2]string]*group{}}
	away, err := r.absences(ctx)
	if err != nil {
		return err
	}
	for after := ""; ; {
		started := time.Now()
		lives, last, err := r.store.Lives(ctx, after, lifePage)
		if err != nil {
			return err
		}
		n += len(lives)
		policy := r.Policies.Current()
		var sleepers []string
		for _, l := range lives {
			if l.Role == ca.RoleCA {
				continue // it is no machine of ours
			}
			role, ok := policy.Role(l.Role)
			if !ok {
				role = ca.Role{Name: l.Role} // it was taken out of the policy
			}
			d := doubtOf(role, l, r.now(), away)
			if d.suspend != "" {
				sleepers = append(sleepers, l.Path)
			}
			if d.suspend == "" || l.Ends.After(began) {
				c.add(l, d, began)
			}
		}
		if err := r.sleep(ctx, sleepers, away); err != nil {
			return err
		}
		if after = last; last == "" {
			break
		}
		if err := pause(ctx, lifeRest*time.Since(started)); err != nil {
			return err
		}
	}
	r.log.DebugContext(ctx, "lives counted", "identities", n, "took", time.Since(walked))
	return r.store.Relaxed(ctx, func(tx *store.RelaxedTx) { tx.ReplaceLife(c.counts(began)) })
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(min(d, time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sleep suspends identities, each with an event of its own. Each is judged once more,
// locked: whoever woke up meanwhile is let go.
func (r *Registrar) sleep(ctx context.Context, paths []string, away absences) error {
	for some := range slices.Chunk(paths, lifeSleeps) {
		var asleep []string
		err := r.store.UpdateMany(ctx, func(ctx context.Context, tx *store.AloneTx) (events []audit.Event, err error) {
			asleep = asleep[:0] // it may run more than once
			for _, path := range some {
				l, err := tx.Life(ctx, path)
				if errors.Is(err, store.ErrNotFound) {
					continue
				}
				if err != nil {
					return nil, err
				}
				role, _ := r.Policies.Current().Role(l.Role)
				d := doubtOf(role, l, tx.Now(), away)
				if d.suspend == "" {
					continue
				}
				tx.Sleep(path, d.suspend)
				asleep = append(asleep, path)
				events = append(events, Daemon().event(ctx, &tx.Tx, "identity.suspend", path, map[string]any{
					"why": string(d.suspend), "awake": l.Awake(), "attested": l.Attested, "owner": l.Owner,
				}))
			}
			return events, tx.Err()
		})
		if err != nil {
			return fmt.Errorf("suspending identities that are in doubt: %w", err)
		}
		for _, path := range asleep {
			r.log.WarnContext(ctx, "suspended by itself", "identity", path)
		}
	}
	return nil
}

// A census is a count under way.
type census struct{ groups map[[2]string]*group }

type group struct {
	store.LifeCount
	ends Ends
}

func (c *census) add(l store.Life, d doubt, now time.Time) {
	key := [2]string{l.Role, l.Site}
	if c.groups[key] == nil {
		if len(c.groups) >= lifeGroups {
			key[1] = "" // of no site, for want of room
		}
		if c.groups[key] == nil {
			c.groups[key] = &group{LifeCount: store.LifeCount{Role: key[0], Site: key[1]}}
		}
	}
	g := c.groups[key]
	for is, n := range map[*int64]bool{&g.Dormant: d.dormant, &g.Stale: d.unattested, &g.Ownerless: d.ownerless} {
		if n {
			*is++
		}
	}
	if !l.Ends.After(now) {
		return
	}
	g.Active++
	g.ends.Add(l.Ends.Sub(now))
	if g.First == "" || l.Ends.Before(g.FirstAt) {
		g.First, g.FirstAt = l.Path, l.Ends
	}
}

func (c *census) counts(at time.Time) (all []store.LifeCount) {
	for _, g := range c.groups {
		g.Counted = at
		g.LifeCount.Ends, _ = g.ends.MarshalBinary() // there is no error
		all = append(all, g.LifeCount)
	}
	return all
}
