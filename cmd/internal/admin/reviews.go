package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/comply"
	"github.com/betonica/betonica/enroll"
	logreview "github.com/betonica/betonica/store/review"
)

// gatherReview gathers a part of the log, and tells how far it is while it does.
func (a *Admin) gatherReview(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	part, err := partOf(r)
	if err != nil {
		return err
	}
	out := &export{w: w, control: http.NewResponseController(w)}
	send := func(e adminapi.ReviewEvent) error {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", adminapi.MediaEvents)
		if _, err := out.Write(append(text, '\n')); err != nil {
			return err
		}
		return out.control.Flush()
	}
	ctx, stop := context.WithCancelCause(r.Context())
	defer stop(nil)
	beat := beating(func() error { return send(adminapi.ReviewEvent{Total: 1}) }, stop)
	told := time.Now()
	s, err := a.Compliance.Gather(ctx, part, func(done, total int64) {
		if now := time.Now(); now.Sub(told) > 200*time.Millisecond {
			told = now
			beat.note(func() error { return send(adminapi.ReviewEvent{Done: done, Total: total}) })
		}
	})
	beat.end()
	if err == nil {
		var text []byte
		if text, err = json.Marshal(s); err == nil {
			err = send(adminapi.ReviewEvent{Review: text})
		}
	}
	if err != nil && out.begun {
		a.Log.ErrorContext(r.Context(), "gathering the log for a review", "error", err, "request", enroll.RequestID(r.Context()))
		panic(http.ErrAbortHandler)
	}
	return gathered(err)
}

func partOf(r *http.Request) (p comply.Part, err error) {
	q, err := parameters(r, "first", "last", "since", "until")
	if err != nil {
		return p, err
	}
	if p.First, err = number(q, "first"); err != nil {
		return p, err
	}
	if p.Last, err = number(q, "last"); err != nil {
		return p, err
	}
	if p.Since, err = moment(q, "since"); err != nil {
		return p, err
	}
	if p.Until, err = moment(q, "until"); err != nil {
		return p, err
	}
	byTime := !p.Since.IsZero() || !p.Until.IsZero()
	switch {
	case (p.First == 0) != (p.Last == 0), p.First > p.Last:
		return p, malformed("first and last are of a part of the log")
	case p.First > 0 && byTime:
		return p, malformed("a part is of entries, or of a time")
	case p.Since.IsZero() && byTime, byTime && !p.Until.IsZero() && !p.Since.Before(p.Until):
		return p, malformed("until is after since")
	}
	return p, nil
}

// gathered says to the caller what a part lacks.
func gathered(err error) error {
	if missing, ok := errors.AsType[*logreview.MissingError](err); ok {
		return &enroll.ConflictError{Detail: missing.Detail}
	}
	if errors.Is(err, logreview.ErrNone) || errors.Is(err, comply.ErrReviewing) {
		return &enroll.ConflictError{Detail: err.Error()}
	}
	return err
}

// reviewLog puts the word of a person on record about what he was shown.
func (a *Admin) reviewLog(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.LogReviewRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.First < 1 || in.Last < in.First {
		return malformed("first and last are of a part of the log")
	}
	s, err := a.Compliance.Shown(r.Context(), in.First, in.Last)
	if err != nil {
		return gathered(err)
	}
	if s.Root != in.Root {
		return &enroll.ConflictError{Detail: "the log is another than the one that was shown"}
	}
	record, err := a.Registrar.ReviewLog(r.Context(), by, s, in.Word)
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, reviewed(logreview.Done{At: a.Compliance.Now().UTC(), By: by.Name, Record: record}))
}

func (a *Admin) listReviews(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	now := a.Compliance.Now()
	h, err := logreview.Past(r.Context(), a.Store, now)
	if err != nil {
		return err
	}
	out := adminapi.Reviews{Done: []adminapi.Reviewed{}, Gaps: []adminapi.Unreviewed{}, Began: h.Began, Lost: h.Lost}
	for _, d := range h.Done {
		out.Done = append(out.Done, reviewed(d))
	}
	for _, g := range h.Gaps {
		out.Gaps = append(out.Gaps, adminapi.Unreviewed(g))
	}
	if waits := h.Waits(); !waits.IsZero() {
		out.Waits, out.Late = &waits, now.Sub(waits) > logreview.Late
	}
	return reply(w, http.StatusOK, out)
}

func reviewed(d logreview.Done) adminapi.Reviewed {
	return adminapi.Reviewed{
		Entry: d.Entry, At: d.At, By: d.By, Since: d.Since, Until: d.Until, First: d.First, Last: d.Last, Root: d.Root,
		Groups: d.Groups, Own: d.Own, Acts: d.Acts, Again: d.Again, Word: d.Word,
	}
}
