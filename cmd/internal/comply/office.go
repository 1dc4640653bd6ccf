package comply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
	"github.com/betonica/betonica/store/compliance/report"
	"github.com/betonica/betonica/store/compliance/survey"
	"github.com/betonica/betonica/store/review"
)

// ErrBusy reports that a survey is being made already: two would take each other's time.
var ErrBusy = errors.New("the safeguards are being checked already; try again when that is done")

// Config is what an Office works with. Every field is required.
type Config struct {
	Store       *store.DB
	Policies    *enroll.Policies
	TrustDomain string

	// System tells what the daemon knows of itself and of its host.
	System func(context.Context) compliance.System

	Now func() time.Time
	Log *slog.Logger
}

// An Office checks safeguards. Its methods may be called concurrently; one survey is made
// at a time.
type Office struct {
	Config
	surveying sync.Mutex
	reviewing sync.Mutex
	shown     struct {
		sync.Mutex
		all []*review.Summary // the newest last
	}
}

// New returns an Office.
func New(c Config) *Office { return &Office{Config: c} }

// Progress hears how much of a survey is done.
type Progress = func(done, total int64)

// Check judges a profile, and puts the run on record. The errors are [ErrBusy] and a
// [*compliance.UnknownProfileError].
func (o *Office) Check(ctx context.Context, by enroll.Actor, profile string, progress Progress) (*compliance.Run, error) {
	in, err := o.run(ctx, by, profile, false, progress)
	if err != nil {
		return nil, err
	}
	return in.Run, nil
}

// Report is Check, and returns the files that tell of it, signed by the log's key.
func (o *Office) Report(ctx context.Context, by enroll.Actor, profile string, progress Progress) (*compliance.Run, []pack.File, error) {
	in, err := o.run(ctx, by, profile, false, progress)
	if err != nil {
		return nil, nil, err
	}
	files, err := report.Write(in)
	if err != nil {
		return nil, nil, err
	}
	public, err := o.Store.LogKeyPEM()
	if err != nil {
		return nil, nil, err
	}
	files, err = pack.Seal(files, in.Facts.Log.Key, public, o.Store.SignManifest)
	return in.Run, files, err
}

// run makes a run and puts it on record; daily says that nobody asked for it, and then
// the whole log is read, too.
func (o *Office) run(ctx context.Context, by enroll.Actor, name string, daily bool, progress Progress) (in report.Input, err error) {
	profile, err := compliance.Checks().Profile(name)
	if err != nil {
		return in, err
	}
	if !o.surveying.TryLock() {
		return in, ErrBusy
	}
	defer o.surveying.Unlock()
	rules, err := o.policy(ctx)
	if err != nil {
		return in, err
	}
	in.Facts, in.Evidence, err = survey.Read(ctx, survey.Config{
		Store: o.Store, Now: o.Now(), TrustDomain: o.TrustDomain, Profile: profile.Name, Whole: daily,
		System: o.System(ctx), Policy: rules, Progress: progress,
	})
	if err != nil {
		return in, fmt.Errorf("surveying the safeguards: %w", err)
	}
	if daily {
		in.Facts.Daily = in.Facts.At // it is being made
	}
	in.Run = compliance.Judge(compliance.Checks(), profile, in.Facts)
	e := event(in, daily)
	e.Actor, e.RequestID = by.Name, enroll.RequestID(ctx)
	if by.Address.IsValid() {
		e.Address = by.Address.String()
	}
	return in, o.Store.Update(context.WithoutCancel(ctx), func(*store.Tx) audit.Event { return e })
}

// event is what the log keeps of a run.
func event(in report.Input, daily bool) audit.Event {
	r := in.Run
	e := audit.Event{Action: survey.ActionRun, Subject: r.Profile, Outcome: "ok", Detail: map[string]any{
		"profile": r.Profile, "version": r.Version, "digest": r.Digest, "states": r.Encode(), "daily": daily,
	}}
	if n := r.Failed(); n > 0 {
		e.Outcome = fmt.Sprintf("%d of %d checks failed", n, len(r.Results))
	}
	if v := in.Facts.Log.Verified; daily && v != nil {
		e.Detail["verified"] = v.At.Format(time.RFC3339)
		e.Detail["verified_entries"], e.Detail["findings"] = v.Entries, v.Findings.N
	}
	return e
}
