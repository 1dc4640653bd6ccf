package survey

import (
	"context"
	"fmt"
	"time"

	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/review"
)

// reviews reads who reviewed the log, and what of it nobody did.
func (s *survey) reviews(ctx context.Context) error {
	h, err := review.Past(ctx, s.Store, s.Now)
	if err != nil {
		return err
	}
	r := &s.facts.Reviews
	r.N, r.Waits, r.Lost = int64(len(h.Done)), h.Waits(), h.Lost
	for _, d := range h.Done[:min(len(h.Done), compliance.MaxRows)] {
		r.Done = append(r.Done, compliance.LogReview{
			Since: d.Since, Until: d.Until, First: d.First, Last: d.Last, By: d.By, At: d.At, Word: d.Word, Own: d.Own, Acts: d.Acts,
		})
	}
	for _, g := range h.Gaps {
		r.Gaps.Add(fmt.Sprintf("entries %s to %s", compliance.Number(g.First), compliance.Number(g.Last)), g.Since.UTC().Format(time.RFC3339)+" to "+g.Until.UTC().Format(time.RFC3339))
	}
	return nil
}
