package doctor

import (
	"context"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store"
)

// behind is how long an entry may wait for a receiver of the audit log.
const behind = 5 * time.Minute

// deliveries tells whether the audit log gets to where it is to go.
func deliveries(ctx context.Context, c *Case) []Finding {
	i, why := inspect(ctx, c)
	if i == nil {
		return why
	}
	defer i.Close()
	all, others, err := deliver.Look(ctx, i, c.Config.Deliver.Outlets(), c.Now())
	if err != nil {
		return []Finding{c.broken(err)}
	}
	var found []Finding
	for _, s := range all {
		found = append(found, standingOf(c, s)...)
	}
	if i.Disturbed() {
		return []Finding{skip("the daemon was started meanwhile: run this again")}
	}
	switch {
	case len(all) == 0 && len(others) == 0:
		found = append(found, hint("name a receiver in [deliver] of betonica.toml: whoever holds this CA's disks holds every copy of the log", "the audit log is delivered nowhere"))
	case len(found) == 0 && len(all) > 0:
		found = append(found, ok("%d take the audit log, and none is behind by more than %s", len(all), behind))
	}
	for _, one := range others {
		_, alone := c.Config.Database()
		found = append(found, unnamed(one, !alone, c.Now()))
	}
	return found
}

// given is for how long after a receiver took something its absence from the configuration of
// a replica is a fault, and not somebody's intent.
const given = 7 * 24 * time.Hour

// unnamed tells of a receiver on record that this configuration does not name. Of several
// daemons on a database the eldest delivers, to those alone that its own names.
func unnamed(one store.Delivery, shared bool, now time.Time) Finding {
	if last := one.Told; shared && !last.IsZero() && now.Sub(last) < given {
		return warn("give all replicas the same [deliver]; nothing, if it is to get no more",
			"%q takes the audit log, and is not in this betonica.toml: when this replica is the eldest, nobody delivers to it", one.Sink)
	}
	return hint("nothing, if that is meant; under its name it goes on where it was",
		"%q is on record as a receiver of the audit log, begun %s, and is not in betonica.toml", one.Sink, one.Begun.Format(time.DateOnly))
}

// standingOf tells what is wrong with one receiver.
func standingOf(c *Case, s deliver.Standing) []Finding {
	switch {
	case s.Begun.IsZero() && c.Daemon == nil:
		return []Finding{hint("start the daemon", "%q has not begun to take the audit log", s.Sink)}
	case s.Begun.IsZero():
		return []Finding{warn("restart the daemon, which reads betonica.toml when it starts", "%q has not begun to take the audit log", s.Sink)}
	case s.Lag <= behind:
		return nil
	}
	why, do := s.Trouble, "see to the receiver; nothing is lost meanwhile, and it gets everything afterwards"
	if why == "" {
		why, do = "it takes it slowly, or nobody delivers", "see that the daemon runs; nothing is lost meanwhile"
	}
	return []Finding{warn(do, "%q is behind by %s, and %d entries wait: %s", s.Sink, s.Lag.Round(time.Second), s.Entries, why)}
}
