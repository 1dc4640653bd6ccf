package survey

import (
	"context"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

const (
	year = 366 * 24 * time.Hour
	// reviewWithin is how soon somebody else is to look at what was done in an emergency.
	reviewWithin = 72 * time.Hour
)

// emergencies reads who took powers in an emergency, and whether somebody else has looked
// at it since.
func (s *survey) emergencies(ctx context.Context) error {
	e, reviewed := &s.facts.Emergency, map[string]bool{}
	whole, err := s.entries(ctx, "power.review", s.Now.Add(-year), func(entry audit.Entry) bool {
		d := detail(entry.Detail)
		reviewed[d.text("power")] = true
		if len(e.Reviewed) < compliance.MaxRows && d.flag("break_glass") {
			e.Reviewed = append(e.Reviewed, compliance.PowerReview{
				Person: plain.Clean(entry.Subject, pathText), By: plain.Clean(entry.Actor, pathText), At: entry.At, Word: plain.Clean(d.text("word"), 1024),
			})
		}
		return false
	})
	if err != nil {
		return err
	}
	e.Lost = !whole
	whole, err = s.entries(ctx, "power.begin", s.Now.Add(-year), func(entry audit.Entry) bool {
		d := detail(entry.Detail)
		if !d.flag("break_glass") {
			return false
		}
		e.Taken++
		switch id := d.text("power"); {
		case id != "" && reviewed[id]:
		case s.Now.Sub(entry.At) <= reviewWithin:
			e.Waiting++
		default:
			e.Unreviewed.Add(plain.Clean(entry.Subject, pathText), entry.At.Format(time.RFC3339)+", "+plain.Clean(d.text("reason"), pathText))
		}
		return false
	})
	e.Lost = e.Lost || !whole
	return err
}
