package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/revoke/enforcement"
)

// enforcement says how far a revocation has come, or with from several; with wait it goes on saying so,
// one JSON object a line, until every connected relying party enforces it or the
// time is over.
func (a *Admin) enforcement(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, err := parameters(r, "from", "number", "wait")
	if err != nil {
		return err
	}
	n, err := number(q, "number")
	if err != nil || n == 0 {
		return malformed("number is the CRL number of a revocation")
	}
	first, err := number(q, "from")
	if err != nil || first > n {
		return malformed("from is the CRL number of the first revocation, up to number")
	}
	if first == 0 {
		first = n
	}
	wait, err := duration(q, "wait")
	if err != nil {
		return err
	}
	ctx := r.Context()
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	var out *lines
	for p, err := range a.Enforcement.Watch(ctx, first, n) {
		switch {
		case err != nil && out == nil:
			return found(err, "a revocation with CRL number "+q.Get("number"))
		case err != nil:
			panic(http.ErrAbortHandler) // it must not look like the end
		case wait == 0:
			return reply(w, http.StatusOK, enforcementOf(p))
		case out == nil:
			w.Header().Set("Content-Type", "application/x-ndjson")
			out = newLines(w)
		}
		if out.write(enforcementOf(p)) != nil {
			return nil // the caller is gone
		}
	}
	return nil
}

// lines is an answer that comes by and by, one JSON object a line.
type lines struct {
	control *http.ResponseController
	encoder *json.Encoder
}

func newLines(w http.ResponseWriter) *lines {
	l := &lines{http.NewResponseController(w), json.NewEncoder(w)}
	l.control.SetReadDeadline(time.Time{}) // the server's own would end it
	return l
}

func (l *lines) write(v any) error {
	if err := l.control.SetWriteDeadline(time.Now().Add(exportStall)); err != nil {
		return err
	}
	if err := l.encoder.Encode(v); err != nil {
		return err
	}
	return l.control.Flush()
}

// duration reads a parameter that is a duration; absent means 0.
func duration(q url.Values, name string) (time.Duration, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > adminapi.MaxWait {
		return 0, malformed("%s is a time such as 30s, at most %s", name, adminapi.MaxWait)
	}
	return d, nil
}

func enforcementOf(p enforcement.Progress) adminapi.Enforcement {
	out := adminapi.Enforcement{
		Number: p.Number, RevokedAt: p.RevokedAt, Enforcing: p.Enforcing, Expected: p.Expected(), Waiting: p.Waiting, Away: p.Away,
		Missing: partiesOf(p.Missing),
	}
	if p.Enforcing > 0 && p.Slowest >= 0 {
		slowest := p.Slowest.Milliseconds()
		out.Slowest = &slowest
	}
	if !p.AwaySince.IsZero() {
		out.AwaySince = &p.AwaySince
	}
	return out
}

func partiesOf(all []enforcement.RelyingParty) []adminapi.RelyingParty {
	out := make([]adminapi.RelyingParty, 0, len(all))
	for _, p := range all {
		out = append(out, adminapi.RelyingParty(p))
	}
	return out
}

// maxParties is how many relying parties the status names.
const maxParties = 100

func relyingPartiesOf(s enforcement.Summary) adminapi.RelyingParties {
	return adminapi.RelyingParties{
		Known: s.Known, Connected: s.Connected, Lagging: s.Lagging, Refused: s.Refused, Parties: partiesOf(s.Parties), More: s.More,
	}
}
