package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
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

// maxPublished bounds a list that is read back, in bytes.
const maxPublished = 256 << 20

// recall has the lists that were published bear witness, before anything is signed: a
// web server may have served one that the store does not know of any more. What cannot
// be read proves nothing.
func recall(ctx context.Context, dir string, db *store.DB, s *secrets, log *slog.Logger) error {
	if dir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "crl", "*", "*.crl"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Size() > maxPublished {
			continue
		}
		der, err := os.ReadFile(file)
		if err != nil {
			log.WarnContext(ctx, "a published list cannot be read", "file", file, "error", err)
			continue
		}
		if proved, err := witness(ctx, db, s, der); proved {
			return errors.Join(db.Stopped(), err)
		}
	}
	return nil
}
