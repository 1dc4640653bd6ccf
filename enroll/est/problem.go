package est

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/turns"
	"github.com/betonica/betonica/store"
)

// A problem is what a request is answered with when it fails: a status, and a
// sentence for whoever debugs the client (RFC 7030, Section 4.2.3).
type problem struct {
	status int
	text   string
	retry  time.Duration // after which it may be gone; 0: no hint
}

func (p *problem) Error() string { return p.text }

func malformed(text string) error { return &problem{http.StatusBadRequest, text, 0} }

// Errors of this package's own.
var (
	errNoPage        = &problem{http.StatusNotFound, "There is nothing under this URL.", 0}
	errMethod        = &problem{http.StatusMethodNotAllowed, "The method is not one that this page knows.", 0}
	errFullCMC       = &problem{http.StatusNotImplemented, "Full CMC is not offered: use simpleenroll.", 0}
	errNoCertificate = &problem{http.StatusForbidden, "This takes the current certificate, presented in the TLS handshake.", 0}
	errOtherToken    = &problem{http.StatusBadRequest, "The request holds another token than the one that it comes with.", 0}
	errNoServerKeys  = &problem{http.StatusForbidden, "Keys are not made here: make one, and use simpleenroll.", 0}
	errSharedKey     = &problem{http.StatusBadRequest, "No key is shared with clients: name that of the certificate presented in TLS, in asymmDecryptKeyID.", 0}
	errNoRecipient   = &problem{http.StatusBadRequest, "asymmDecryptKeyID must be the subject key identifier of the certificate presented in TLS.", 0}
	errKeyUse        = &problem{http.StatusBadRequest, "Nothing can be encrypted to the certificate presented in TLS: that takes RSA and keyEncipherment, or P-256, P-384 or P-521 and keyAgreement.", 0}
	errCapabilities  = &problem{http.StatusBadRequest, "SMIMECapabilities must list AES in CBC mode, and id-RSAES-OAEP with SHA-256 or rsaEncryption, or for an elliptic curve ECDH with SHA-256.", 0}
	errNotApproved   = &problem{http.StatusBadRequest, "This CA is in FIPS 140-3 mode, which forbids rsaEncryption (PKCS #1 v1.5): SMIMECapabilities must list id-RSAES-OAEP with SHA-256 and MGF1 with SHA-256.", 0}
	errKeyMaking     = &problem{http.StatusServiceUnavailable, "Another key is being made: try again.", time.Second}
)

// problemOf says what a stranger may know of err; whatever it does not name is an
// internal error. Package enroll says what the errors mean.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*enroll.PendingError](err); ok {
		return &problem{http.StatusAccepted, "The request waits for a person to approve it, under the code " + e.Code + ".", max(e.RetryAfter, time.Second)}
	}
	if e, ok := errors.AsType[*enroll.QueueError](err); ok {
		return &problem{http.StatusTooManyRequests, e.Error(), max(e.RetryAfter, time.Second)}
	}
	if e, ok := errors.AsType[*api.BadRequestError](err); ok {
		return &problem{e.Status, e.Detail, 0}
	}
	if e, ok := errors.AsType[*ca.RequestError](err); ok {
		return &problem{http.StatusBadRequest, e.Error(), 0}
	}
	if e, ok := errors.AsType[*ca.DeniedError](err); ok {
		return &problem{http.StatusForbidden, e.Error(), 0}
	}
	if e, ok := errors.AsType[*enroll.RateLimitError](err); ok {
		return &problem{http.StatusTooManyRequests, e.Error(), max(e.RetryAfter, time.Second)}
	}
	if e, ok := errors.AsType[*turns.BusyError](err); ok {
		return &problem{http.StatusServiceUnavailable, e.Error(), e.RetryAfter}
	}
	for _, known := range problems {
		if errors.Is(err, known.err) {
			return &known.problem
		}
	}
	if store.TroubleOf(err) != "" { // of what kind is for the operator
		return &problem{http.StatusServiceUnavailable, "Nothing can be recorded at present.", 30 * time.Second}
	}
	return &problem{http.StatusInternalServerError, "Internal error.", 0}
}

// problems are the errors that are known by name.
var problems = []struct {
	err error
	problem
}{
	{enroll.ErrUnauthenticated, problem{http.StatusUnauthorized, enroll.ErrUnauthenticated.Error(), 0}},
	{enroll.ErrReused, problem{http.StatusConflict, enroll.ErrReused.Error(), 0}},
	{store.ErrKeyTaken, problem{http.StatusConflict, "The public key has been used before: make a new one.", 0}},
	{store.ErrNameTaken, problem{http.StatusConflict, "A name that was asked for belongs to another identity.", 0}},
	{store.ErrExists, problem{http.StatusConflict, "It exists already.", 0}},
	{store.ErrForked, problem{http.StatusConflict, "The certificate is being renewed by another request.", 0}},
	{store.ErrStale, problem{http.StatusConflict, "What the decision was based on has changed: try again.", 0}},
	{store.ErrDiskFull, problem{http.StatusServiceUnavailable, "Nothing can be recorded at present.", 30 * time.Second}},
	{store.ErrSetBack, problem{http.StatusServiceUnavailable, "Nothing is signed at present.", time.Minute}},
	{store.ErrUnknown, problem{http.StatusServiceUnavailable, "It is not certain that the request was recorded: repeat it.", 5 * time.Second}},
	{store.ErrClosed, problem{http.StatusServiceUnavailable, "Stopping.", 5 * time.Second}},
	{ca.ErrExpired, problem{http.StatusServiceUnavailable, "Nothing can be signed at present.", time.Hour}},
	{context.Canceled, problem{http.StatusServiceUnavailable, "The request was given up.", time.Second}},
	{context.DeadlineExceeded, problem{http.StatusServiceUnavailable, "The request took too long.", 5 * time.Second}},
}

// fail answers a request with what went wrong. What is our fault is logged.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.status >= http.StatusInternalServerError && p.status != http.StatusNotImplemented && r.Context().Err() == nil {
		h.Log.LogAttrs(r.Context(), slog.LevelError, "failed", slog.String("request", enroll.RequestID(r.Context())),
			slog.String("route", r.Pattern), slog.String("error", err.Error()))
	}
	if p.retry > 0 {
		setHeader(w, "Retry-After", strconv.Itoa(int(math.Ceil(p.retry.Seconds())))) // seconds: old clients read no dates
	}
	if p.status == http.StatusUnauthorized {
		setHeader(w, "WWW-Authenticate", `Basic realm="betonica"`) // RFC 7030, Section 3.2.3
	}
	if p.status == http.StatusRequestEntityTooLarge {
		setHeader(w, "Connection", "close") // the rest of the body is not worth reading
	}
	write(w, p.status, "text/plain; charset=utf-8", []byte(p.text+"\n"))
}
