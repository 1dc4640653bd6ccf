package doctor

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/betonica/betonica/store"
)

// inspect opens the store, or says why that cannot be.
func inspect(ctx context.Context, c *Case) (*store.Inspection, []Finding) {
	if c.Config == nil {
		return nil, c.without()
	}
	if c.Keys == nil || c.Keys.Audit == nil {
		return nil, []Finding{skip("the log's key does not open, and the store is not looked at without it")}
	}
	if d := c.Daemon; d != nil && d.troubledBy(store.TroubleReplaced) { // SQLite goes by names: it would read one file with another's log
		return nil, []Finding{skip("what lies in the place of the database is not what the daemon has open")}
	}
	i, err := store.Inspect(ctx, store.Config{
		DSN: c.Config.Store.DSN, Keys: c.Keys.Audit, Origin: c.Keys.Origin, Evidence: c.Config.Audit.Evidence, IDFile: c.IDFile, Now: c.Now,
	})
	if gone(err) && c.Holder != 0 { // it does not answer, or has not noticed
		return nil, []Finding{fail(c.whenReplaced(), "%v", err)}
	}
	if err != nil {
		return nil, []Finding{c.broken(err)}
	}
	return i, nil
}

// gone says whether a file is not there that belongs to the store. The socket of a server
// that does not run is none of them.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) && store.TroubleOf(err) != store.TroubleUnreachable
}

// broken is the finding that the store failed in some way.
func (c *Case) broken(err error) Finding {
	if gone(err) {
		return fail("put the file back that belongs there, or run betonicad restore", "%v", err)
	}
	t := store.TroubleOf(err)
	if t == store.TroubleCorrupt {
		return fail(c.whenDamaged(), "%s: %v", string(t), err)
	}
	if t != "" {
		return fail(t.Remedy(), "%s: %v", string(t), err)
	}
	return fail(store.TroubleOther.Remedy(), "%v", err)
}

// storeCheck tells whether the store opens, is the one that was here, and is whole.
func storeCheck(ctx context.Context, c *Case) []Finding {
	i, why := inspect(ctx, c)
	if i == nil {
		return why
	}
	defer i.Close()
	found := append(c.standing(ctx, i), whole(ctx, c, i)...)
	if c.Deep && c.VerifyLog != nil {
		if err := c.VerifyLog(ctx, &i.Log); err != nil {
			found = append(found, fail("see betonicad audit verify; put back a backup with betonicad restore", "the audit log: %v", err))
		}
	}
	if i.Disturbed() {
		return []Finding{skip("the daemon was started meanwhile: run this again")}
	}
	return append(orOK(found, "opens, is the one that was here, and is whole"), givesBack(ctx, c, i)...)
}

// keptFree is how much of a file may be free for good before somebody should look.
const keptFree = 64 << 20

// givesBack tells of an SQLite file that was made before files could shrink.
func givesBack(ctx context.Context, c *Case, i *store.Inspection) []Finding {
	gives, free, err := i.GivesBack(ctx)
	switch {
	case err != nil:
		return []Finding{c.broken(err)}
	case gives:
		return nil
	}
	say := hint
	if free > keptFree {
		say = warn
	}
	file, _ := c.Config.Database()
	return []Finding{say("stop the daemon, and as its user, with three times the file's size free on the disk, run: sqlite3 "+file+" 'PRAGMA auto_vacuum = incremental; VACUUM'",
		"the file is of an early version and does not shrink when certificates leave it: %d MiB of it are free, for what comes", free>>20)}
}

// standing tells of a store that was set back, restored, or put in another's place.
func (c *Case) standing(ctx context.Context, i *store.Inspection) []Finding {
	s, contradiction, err := i.Standing(ctx)
	t := store.TroubleSetBack
	switch {
	case err != nil:
		return []Finding{c.broken(err)}
	case s == store.Serves:
		return nil
	case s == store.Restored:
		t = store.TroubleRestored
	}
	if contradiction != nil {
		return []Finding{fail(t.Remedy(), "%s: %v", string(t), contradiction)}
	}
	return []Finding{trouble(t, "")}
}

// whole reads the file, for as long as it may take.
func whole(ctx context.Context, c *Case, i *store.Inspection) []Finding {
	late := errors.New("too late")
	reading := ctx
	if !c.Deep {
		var cancel context.CancelFunc
		reading, cancel = context.WithTimeoutCause(ctx, c.ReadFor, late)
		defer cancel()
	}
	damage, checked, err := i.Damage(reading, c.Deep)
	var found []Finding
	for _, line := range damage {
		found = append(found, fail(c.whenDamaged(), "%s: %s", string(store.TroubleCorrupt), line))
	}
	switch {
	case !checked:
		return []Finding{skip("PostgreSQL looks after its files: see pg_amcheck, and its data checksums")}
	case len(found) > 0:
	case errors.Is(context.Cause(reading), late):
		return []Finding{skip("the file was read for %s and not to its end: --deep reads all of it", c.ReadFor.Round(time.Millisecond))}
	case err != nil:
		return []Finding{c.broken(err)}
	}
	return found
}
