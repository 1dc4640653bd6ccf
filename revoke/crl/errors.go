package crl

import (
	"errors"

	"github.com/betonica/betonica/revoke/x690"
)

// What [Open], [NewState] and [State.Accept] find wrong with a list; each comes wrapped in the
// detail. What was known before stays as it was.
var (
	// ErrIssuer: the list is not one of this issuer, or the issuer may not sign lists.
	ErrIssuer = errors.New("the list is not this issuer's")

	// ErrSignature: the signature is not that of the issuer.
	ErrSignature = errors.New("the signature does not verify")

	// ErrUnsupported: the list says something critical that is not understood here, so
	// its other words cannot be relied on (RFC 5280, Section 5.2).
	ErrUnsupported = errors.New("the list has a critical part that is not understood")

	// ErrOld: the list's number is not above what is held.
	ErrOld = errors.New("the list is not newer than the one held")

	// ErrAhead: the list's thisUpdate is more than [MaxAhead] in the future. Taking it
	// would shut out every honest list until then.
	ErrAhead = errors.New("the list is from the future")

	// ErrBase: the list is a delta to a full list newer than the one held, which has to
	// be fetched first.
	ErrBase = errors.New("the delta needs a newer full list")

	// ErrPartial: the list leaves out some of the issuer's certificates, so that absence
	// from it means nothing.
	ErrPartial = errors.New("the list covers only a part of the issuer's certificates")
)

// A MalformedError reports bytes that are not a list in DER as RFC 5280 has it.
type MalformedError = x690.MalformedError
