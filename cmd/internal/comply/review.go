package comply

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store/review"
)

// ErrReviewing reports that a part of the log is being gathered already.
var ErrReviewing = errors.New("the log is being gathered for a review already; try again when that is done")

// maxShown is how many summaries are remembered, which people look at before they say
// their word.
const maxShown = 8

// A Part is one of the log: entries by number, or what was made in a time. See
// [review.Config] for what zero means.
type Part struct {
	First, Last  int64
	Since, Until time.Time
}

// Gather gathers a part of the log for a person to review, one at a time. The errors are
// those of [review.Read], and [ErrReviewing].
func (o *Office) Gather(ctx context.Context, p Part, progress Progress) (*review.Summary, error) {
	if !o.reviewing.TryLock() {
		return nil, ErrReviewing
	}
	defer o.reviewing.Unlock()
	s, err := review.Read(ctx, review.Config{
		Store: o.Store, Now: o.Now(), Privileged: ca.Privileged, First: p.First, Last: p.Last, Since: p.Since, Until: p.Until, Progress: progress,
	})
	if err != nil {
		return nil, err
	}
	o.shown.Lock()
	defer o.shown.Unlock()
	o.shown.all = slices.DeleteFunc(o.shown.all, func(old *review.Summary) bool { return old.First == s.First && old.Last == s.Last })
	o.shown.all = append(o.shown.all[max(0, len(o.shown.all)-maxShown+1):], s)
	return s, nil
}

// Shown returns what was gathered of these entries, anew if that is long ago.
func (o *Office) Shown(ctx context.Context, first, last int64) (*review.Summary, error) {
	o.shown.Lock()
	i := slices.IndexFunc(o.shown.all, func(s *review.Summary) bool { return s.First == first && s.Last == last })
	var s *review.Summary
	if i >= 0 {
		s = o.shown.all[i]
	}
	o.shown.Unlock()
	if s != nil {
		return s, nil
	}
	return o.Gather(ctx, Part{First: first, Last: last}, nil)
}
