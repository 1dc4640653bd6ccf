package enroll

import (
	"context"
	"time"

	"github.com/betonica/betonica/store"
)

// ActionStart is the action of the entry that a daemon makes when it starts.
const ActionStart = "daemon.start"

const (
	// shortAbsence is the least that is one: a daemon that nobody asks for anything has its own
	// certificate renewed, which is an entry, every half day by default.
	shortAbsence = 24 * time.Hour
	mostStarts   = 200 // of the newest, that are looked at
)

// absences are when nobody could be served: machines do not get older in them. A clock
// that is wrong when the daemon starts, by a year or ten, makes a long one, and nobody is
// taken for dormant by it.
type absences []store.Absence

func (r *Registrar) absences(ctx context.Context) (absences, error) {
	all, err := r.store.Absences(ctx, ActionStart, shortAbsence, mostStarts)
	return all, err
}

// served returns how much of the time from one moment to another we were there. What ends
// after that was by another clock, and never came.
func (a absences) served(from, to time.Time) time.Duration {
	span := to.Sub(from)
	for _, away := range a {
		if away.To.After(to) || !away.To.After(from) {
			continue
		}
		begin := away.From
		if from.After(begin) {
			begin = from
		}
		span -= away.To.Sub(begin)
	}
	return max(span, 0)
}
