package journal

import (
	"errors"
	"log/slog"
	"time"
)

// fail puts the journal in trouble: from now on nothing is accepted, until probe finds
// that it can be. A full disk is written down in the room kept for that.
func (j *Journal) fail(err error) {
	if !errors.Is(err, ErrTooLong) {
		err = failure(err)
	}
	first := j.trouble.Load() == nil
	j.trouble.Store(&err)
	j.looked = j.cfg.Now()
	if !first {
		return
	}
	j.cfg.Log.Error("the journal cannot be written", "dir", j.cfg.Dir, "error", err, "best_effort", j.cfg.BestEffort)
	if errors.Is(err, ErrFull) && !j.doubt {
		j.room.spare()
		j.own("journal.full", map[string]any{"error": err.Error()}) // if not even that can be written, so be it
	}
}

// refuse answers calls that cannot be written.
func (j *Journal) refuse(calls []*call, err error) {
	if err == ErrClosed {
		j.answer(calls, err)
		return
	}
	j.gap.add(len(calls), j.cfg.Now())
	if j.cfg.BestEffort {
		j.missing.Add(int64(len(calls)))
		err = nil
	}
	j.answer(calls, err)
}

// answer answers calls, each of which is its caller's again then.
func (j *Journal) answer(calls []*call, err error) {
	for _, c := range calls {
		c.done <- err
	}
}

// A gap is what could not be written.
type gap struct {
	entries     int64
	begin, last time.Time
	said        time.Time
}

func (g *gap) add(n int, now time.Time) {
	if g.entries == 0 {
		g.begin, g.said = now, now
	}
	g.entries += int64(n)
	g.last = now
}

// say logs it each minute.
func (g *gap) say(log *slog.Logger, now time.Time) {
	if g.entries > 0 && now.Sub(g.said) >= time.Minute {
		g.said = now
		log.Error("entries are missing from the journal", "entries", g.entries, "since", g.begin)
	}
}

// probe looks whether the trouble is over. If it is, the first entry says what is
// missing.
func (j *Journal) probe(trouble error) {
	var err error
	switch {
	case j.doubt:
		err = j.mend()
	case errors.Is(trouble, ErrTooLong):
		if err = j.prune(j.cfg.Now()); err == nil && j.total+j.end >= j.cfg.MaxBytes {
			err = ErrTooLong
		}
	default:
		if err = j.room.reserve(); err == nil {
			err = errors.Join(j.flush(), j.tiles.sync())
		}
	}
	if err != nil {
		j.fail(err)
		return
	}
	action, detail := "journal.resumed", map[string]any{"after": trouble.Error()}
	if j.gap.entries > 0 {
		detail["refused"], detail["from"], detail["to"] = j.gap.entries, stamp(j.gap.begin), stamp(j.gap.last)
		if j.cfg.BestEffort {
			action = "journal.gap"
		}
	}
	if j.own(action, detail) != nil {
		return // in trouble again
	}
	j.gap = gap{}
	j.trouble.Store(nil)
	j.cfg.Log.Info("the journal can be written again", "dir", j.cfg.Dir)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
