package comply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/survey"
)

// MaxWord is how long the word of a person may be, in bytes.
const MaxWord = 1000

// An Attestation is what a person puts his name to.
type Attestation struct {
	Check string
	Word  string
	For   time.Duration // that it holds, a day at least and two years at most
}

// An AttestationError refuses an attestation. Its text is meant for the caller.
type AttestationError struct{ Detail string }

func (e *AttestationError) Error() string { return e.Detail }

// Attest puts the word of a person on record. Only what no query shows can be attested; and
// not by root on the socket, who is nobody in particular. It returns until when it holds.
func (o *Office) Attest(ctx context.Context, by enroll.Actor, a Attestation) (until time.Time, err error) {
	c, ok := compliance.Checks().Check(a.Check)
	switch word := strings.TrimSpace(a.Word); {
	case by.Root:
		return until, &AttestationError{"root on this host is nobody in particular: attest with the certificate of a person (--url and --dir)"}
	case !ok:
		return until, &AttestationError{fmt.Sprintf("there is no check %.20q; betonica compliance check lists them", a.Check)}
	case !c.Manual:
		return until, &AttestationError{fmt.Sprintf("check %s is made by the CA, and nobody's word stands for it", c.ID)}
	case word == "" || len(a.Word) > MaxWord:
		return until, &AttestationError{fmt.Sprintf("a word is from 1 to %d bytes: say what was done, by whom, and where it is written", MaxWord)}
	case a.For < 24*time.Hour || a.For > 2*366*24*time.Hour:
		return until, &AttestationError{"it holds for a day at least, and for two years at most"}
	}
	until = o.Now().Add(a.For).UTC().Truncate(time.Second)
	e := audit.Event{
		Action: survey.ActionAttest, Actor: by.Name, Subject: c.ID, Outcome: "ok", RequestID: enroll.RequestID(ctx),
		Detail: map[string]any{"word": strings.TrimSpace(a.Word), "expires": until.Format(time.RFC3339)},
	}
	if by.Address.IsValid() {
		e.Address = by.Address.String()
	}
	return until, o.Store.Update(context.WithoutCancel(ctx), func(*store.Tx) audit.Event { return e })
}
