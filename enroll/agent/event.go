package agent

import (
	"context"
	"log/slog"
	"time"
)

// A Kind says what an [Event] reports.
type Kind string

const (
	Enrolled   Kind = "enrolled"    // the first certificate is in place
	Renewed    Kind = "renewed"     // the next certificate is in place
	HookRan    Kind = "hook ran"    // Exec succeeded for it
	Confirmed  Kind = "confirmed"   // the CA knows that it is in use
	RolledBack Kind = "rolled back" // Exec or Health failed with a new certificate, and the one of before is back in place
	Waiting    Kind = "waiting"     // a person has to approve the request: Code says which it is
	Refused    Kind = "denied"      // the CA said no, and a person has to look
	Failed     Kind = "failed"      // a step failed; a running Agent tries again
	Expired    Kind = "expired"     // a renewal failed, and the certificate has run out
	ClockWrong Kind = "clock"       // this machine's clock and the CA's are far apart
	Forked     Kind = "log forked"  // the CA's log contradicts what it said before
	Recovered  Kind = "log lost"    // the CA lost entries of its log, and says so: once for each time
)

// An Event is something that happened to a directory's certificate.
type Event struct {
	Kind Kind
	Time time.Time
	// Credential is the one in place; nil before there is one.
	Credential *Credential
	// State is where the directory stands since.
	State State
	// Step is what failed: read (the directory), enroll, renew, hook, confirm, monitor or
	// clock (to ask the CA for the time).
	Step string
	// Code is what [Waiting] shows, for the approver to compare.
	Code string
	// Err is why; for [Forked] it wraps a [*ForkError], for [Recovered] a [*RecoveryError].
	Err error
	// Retry is when the step is tried again; zero if this process does not.
	Retry time.Time
}

// report tells the log and the program.
func (k *keeper) report(ctx context.Context, e Event) {
	e.Time, e.State = k.now(), k.stands()
	level, attrs := slog.LevelInfo, []slog.Attr{slog.String("state", string(e.State))}
	if c := e.Credential; c != nil {
		attrs = append(attrs, slog.String("identity", c.ID()), slog.String("serial", c.Serial()), slog.Time("not_after", c.NotAfter()))
	}
	switch e.Kind {
	case Enrolled, Renewed:
		attrs = append(attrs, slog.Time("renew_after", e.Credential.RenewAfter))
	case Failed, ClockWrong, RolledBack, Waiting:
		level = slog.LevelWarn
	case Expired, Forked, Recovered, Refused:
		level = slog.LevelError
	}
	if e.Step != "" {
		attrs = append(attrs, slog.String("step", e.Step))
	}
	if e.Code != "" {
		attrs = append(attrs, slog.String("code", e.Code))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	if !e.Retry.IsZero() {
		attrs = append(attrs, slog.Time("retry", e.Retry.Truncate(time.Second)))
	}
	k.conf.Log.LogAttrs(ctx, level, string(e.Kind), attrs...)
	if k.conf.Events != nil {
		k.conf.Events(e)
	}
}
