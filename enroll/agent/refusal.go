package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// saidNo reports whether err is an answer of the CA that another try does not change:
// a person has to do something first.
func saidNo(err error) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && (p.Status == http.StatusUnauthorized || p.Type == api.ProblemDenied || p.Type == api.ProblemForked ||
		p.Type == api.ProblemReused || p.Type == api.ProblemConflict)
}

// mayHelp reports whether the same try may succeed later, by itself.
func mayHelp(err error) bool {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p.Status >= 500 || p.Status == http.StatusTooManyRequests
	}
	_, waits := errors.AsType[*client.PendingError](err)
	return waits || errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrNotCA)
}

// stumble takes note of a step that failed. c is the certificate that was shown; nil:
// none of ours.
func (k *keeper) stumble(ctx context.Context, c *Credential, err error) {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return
	}
	if wait, ok := errors.AsType[*client.PendingError](err); ok {
		k.move(ctx, waits, func(s *Status) { s.Code, s.Expires, s.Why, s.Serial = wait.Code, wait.Expires.UTC(), "", "" })
		if k.shown != wait.Code {
			k.shown = wait.Code
			k.report(ctx, Event{Kind: Waiting, Code: wait.Code, Err: err})
		}
		return
	}
	if !saidNo(err) {
		if k.stands() != Pending {
			k.move(ctx, missed, func(s *Status) { s.Why = err.Error() })
		}
		return
	}
	k.move(ctx, refused, func(s *Status) {
		b, left := backoff{failures: s.Refusals}, time.Duration(0)
		if c != nil {
			s.Serial, left = c.Serial(), c.NotAfter().Sub(k.now())
		}
		s.Why, s.Refusals = err.Error(), s.Refusals+1
		s.Retry = b.denied(k.now(), err, left).UTC().Truncate(time.Second)
	})
}

// advise says what a person may do about a no to c's holder.
func advise(c *Credential, err error) error {
	role, name, _ := strings.Cut(strings.TrimPrefix(c.Certificate.Leaf.URIs[0].Path, "/"), "/")
	back := fmt.Sprintf("if this machine shall come back: betonica token create --role %s --name %s --replace, and betonica enroll with that", role, name)
	if p, ok := errors.AsType[*api.Problem](err); ok && p.Type == api.ProblemForked {
		return fmt.Errorf("two machines hold this certificate: was this one restored from a snapshot, or copied? %s: %w", back, err)
	}
	return fmt.Errorf("the CA said no; where the CA is, betonica identity show %s/%s says why; %s: %w", role, name, back, err)
}

// A DeniedError reports that the CA said no before, and that it is not asked again yet.
type DeniedError struct {
	Why   string
	Retry time.Time
	err   error
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("the CA said no, and is asked again at %s: %s", stamp(e.Retry), e.Why)
}

func (e *DeniedError) Unwrap() error { return e.err }

// quiet returns an error while a CA that said no to c is left alone.
func (k *keeper) quiet(c *Credential) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	if s.State != Denied || s.Serial != c.Serial() {
		return nil
	}
	if wait := s.Retry.Sub(k.clock.now()); wait <= 0 || wait > maxDenied {
		return nil
	}
	return &DeniedError{Why: s.Why, Retry: s.Retry, err: api.NewProblem(http.StatusForbidden, api.ProblemDenied, s.Why)}
}

// denial is the status, of a CA that said no.
func (k *keeper) denial() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}
