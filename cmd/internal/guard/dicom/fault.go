package dicom

import (
	"errors"
	"fmt"
)

// An abortReason says why the service provider aborts (PS3.8, Section 9.3.8).
type abortReason byte

const (
	abortUnspecified  abortReason = 0
	abortUnrecognized abortReason = 1 // PDU type
	abortUnexpected   abortReason = 2 // PDU of a known type, now
	abortInvalidValue abortReason = 6
)

// sourceProvider marks an abort as one of the protocol machine, not of the
// application.
const sourceProvider = 2

func (a abortReason) pdu() []byte {
	return frame(typeAbort, []byte{0, 0, sourceProvider, byte(a)})
}

// A rejection is what an A-ASSOCIATE-RJ says (PS3.8, Section 9.3.4).
type rejection struct{ Result, Source, Reason byte }

var (
	rejectUser       = rejection{1, 1, 1} // permanent, by the user: no reason given
	rejectAppContext = rejection{1, 1, 2} // application context name not supported
	rejectCalling    = rejection{1, 1, 3} // calling AE title not recognized
	rejectCalled     = rejection{1, 1, 7} // called AE title not recognized
	rejectNoReason   = rejection{1, 2, 1} // by the ACSE provider: no reason given
	rejectVersion    = rejection{1, 2, 2} // protocol version not supported
	rejectCongestion = rejection{2, 3, 1} // transient, by the presentation provider: temporary congestion
	rejectLimit      = rejection{1, 3, 2} // local limit exceeded
)

func (r rejection) pdu() []byte {
	return frame(typeAssociateRJ, []byte{0, r.Result, r.Source, r.Reason})
}

// A faultError is what is wrong with foreign bytes: its text goes into the record, and
// the sender is told by a rejection, or by an abort once there is an association.
type faultError struct {
	abort  abortReason
	reject rejection
	text   string // in our words; of the sender's only what is checked or quoted
}

func (e *faultError) Error() string { return e.text }

func malformed(format string, args ...any) error {
	return &faultError{abort: abortInvalidValue, reject: rejectNoReason, text: fmt.Sprintf(format, args...)}
}

func unexpected(format string, args ...any) error {
	return &faultError{abort: abortUnexpected, reject: rejectNoReason, text: fmt.Sprintf(format, args...)}
}

// asFault returns the fault that err is, or nil if err is about a connection.
func asFault(err error) *faultError {
	fault, _ := errors.AsType[*faultError](err)
	return fault
}
