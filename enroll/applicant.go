package enroll

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// An Applicant is an authenticated caller, and the proof that made it one.
type Applicant struct {
	Identity ca.Identity
	Proof    Proof // never nil

	about map[string]any // what else the log says of it
}

// A Proof is what showed who the applicant is: a token, an order, the
// certificate that it holds. It serves one call of [Registrar.Issue].
type Proof interface {
	// String names the proof for the log, without anything secret:
	// "token:<id>", "certificate:<serial>".
	String() string

	// Settle demands of the issuing transaction that the proof is still good, and
	// uses it up; it writes into cert where the certificate comes from, and what
	// else is demanded of it. If a demand is not met nothing is issued. Settle
	// must not block, and may run more than once.
	Settle(tx *store.Tx, cert *store.Certificate)

	// Unmet says what it means that the transaction failed with err, one of the
	// store's: ErrSpent, ErrExists, ErrForked or ErrKeyTaken. It returns the
	// certificate that the very same request, by this proof and for the public key
	// with that SHA-256, was given before, because the answer got lost;
	// [ErrAgain] if Issue shall try once more, for Settle demands something else
	// now; or the error for the caller, err itself if there is no more to say.
	Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error)
}

// ErrAgain is what [Proof.Unmet] returns to have another try. There is a bound
// to it.
var ErrAgain = errors.New("enroll: try again")
