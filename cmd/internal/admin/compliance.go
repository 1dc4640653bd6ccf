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
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
)

// checkCompliance judges the safeguards, and tells how far it is while it does.
func (a *Admin) checkCompliance(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	return a.survey(w, r, func(ctx context.Context, profile string, progress comply.Progress) (*compliance.Run, []pack.File, error) {
		run, err := a.Compliance.Check(ctx, by, profile, progress)
		return run, nil, err
	})
}

// reportCompliance is checkCompliance, and sends the files of a report.
func (a *Admin) reportCompliance(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	return a.survey(w, r, func(ctx context.Context, profile string, progress comply.Progress) (*compliance.Run, []pack.File, error) {
		return a.Compliance.Report(ctx, by, profile, progress)
	})
}

// survey answers with events. An error in the middle cuts the connection, so that nobody
// takes a part for the whole.
func (a *Admin) survey(w http.ResponseWriter, r *http.Request, work func(context.Context, string, comply.Progress) (*compliance.Run, []pack.File, error)) error {
	q, err := parameters(r, "profile")
	if err != nil {
		return err
	}
	profile := q.Get("profile")
	if _, err := compliance.Checks().Profile(profile); err != nil {
		return malformed("%v", err)
	}
	w.Header().Set("Content-Type", adminapi.MediaEvents)
	out := &export{w: w, control: http.NewResponseController(w)}
	send := func(e adminapi.ComplianceEvent) error {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(text, '\n')); err != nil {
			return err
		}
		return out.control.Flush()
	}
	ctx, stop := context.WithCancelCause(r.Context())
	defer stop(nil)
	beat := beating(func() error { return send(adminapi.ComplianceEvent{Total: 1}) }, stop)
	run, files, err := work(ctx, profile, func(done, total int64) {
		beat.note(func() error { return send(adminapi.ComplianceEvent{Done: done, Total: max(total, 1)}) })
	})
	beat.end()
	if err == nil {
		err = sendRun(send, run, files)
	}
	switch {
	case err == nil:
		return nil
	case out.begun:
		a.Log.ErrorContext(r.Context(), "checking the safeguards", "error", err, "request", enroll.RequestID(r.Context()))
		panic(http.ErrAbortHandler)
	case errors.Is(err, comply.ErrBusy):
		return &enroll.ConflictError{Detail: err.Error()}
	}
	return err
}

func sendRun(send func(adminapi.ComplianceEvent) error, run *compliance.Run, files []pack.File) error {
	text, err := json.Marshal(run)
	if err != nil {
		return err
	}
	if err := send(adminapi.ComplianceEvent{Run: text}); err != nil {
		return err
	}
	for _, f := range files {
		if err := send(adminapi.ComplianceEvent{File: &adminapi.ComplianceFile{Name: f.Name, Text: f.Text}}); err != nil {
			return err
		}
	}
	return send(adminapi.ComplianceEvent{End: true})
}

// attestCompliance puts the word of a person on record.
func (a *Admin) attestCompliance(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.AttestationRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	until, err := a.Compliance.Attest(r.Context(), by, comply.Attestation{Check: in.Check, Word: in.Word, For: time.Duration(in.For)})
	if refused, ok := errors.AsType[*comply.AttestationError](err); ok {
		return malformed("%s", refused.Detail)
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, adminapi.Attestation{Check: in.Check, Expires: until})
}
