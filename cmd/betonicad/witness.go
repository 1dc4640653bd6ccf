package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/evidence"
	"github.com/betonica/betonica/store"
)

// witness takes a revocation list that somebody brought to the running daemon. Its
// signature is verified before anything else; one of a number that was never reserved
// shows that the store was set back, and stops it.
func witness(ctx context.Context, db *store.DB, s *secrets, der []byte) (proved bool, err error) {
	known := newEvidence(s)
	issuer, list, err := known.Open(der)
	if err != nil {
		return false, asRequestError(err)
	}
	return db.Prove(ctx, list.Number(), fmt.Sprintf("list %d of %s, of %s", list.Number(), evidence.ID(issuer), list.ThisUpdate().Format(time.RFC3339)))
}

// asRequestError tells who brought a list what is wrong with it. These errors hold
// nothing but what the list says.
func asRequestError(err error) error {
	_, malformed := errors.AsType[*crl.MalformedError](err)
	for _, known := range []error{evidence.ErrForeign, evidence.ErrPartial, crl.ErrAhead, crl.ErrUnsupported, crl.ErrIssuer} {
		malformed = malformed || errors.Is(err, known)
	}
	if !malformed {
		return err
	}
	return &api.BadRequestError{Status: http.StatusBadRequest, Detail: err.Error()}
}
