package record

import (
	"time"

	"github.com/betonica/betonica/store/audit/plain"
)

// Clean returns r as it is put down: each text printable and bounded, each word one of
// those that there are ("unknown" if not), the times in UTC to the microsecond. To
// clean twice is to clean once. It allocates only where something is to be changed.
func (r Record) Clean() Record {
	r.clean()
	return r
}

func (r *Record) clean() {
	for _, f := range [...]struct {
		text *string
		max  int
	}{
		{&r.Caller, 512}, {&r.Serial, 64}, {&r.Address, 128},
		{&r.Guard, 512}, {&r.Route, 64}, {&r.Target, 256},
		{&r.Operation, 128}, {&r.Resource, 512}, {&r.Rule, 128},
		{&r.Called, 64}, {&r.Calling, 64}, {&r.Compartment, 64}, {&r.Also, 512},
		{&r.Reason, 256}, {&r.Answer, 8}, {&r.Link, 64}, {&r.Number, 64},
	} {
		*f.text = plain.Clean(*f.text, f.max)
	}
	r.Side = known(r.Side, Server, Client)
	r.Protocol = known(r.Protocol, TCP, HTTP, FHIR, MLLP, DICOM)
	r.Outcome = known(r.Outcome, Allowed, Refused, Observed, Cut, Failed)
	if r.Kind = known(r.Kind, Connection, Request, Message, Association); r.Kind == "" {
		r.Kind = unknown
	}
	r.Begin, r.End, r.Since = moment(r.Begin), moment(r.End), moment(r.Since)
}

// moment is t as it is written; one that no text can hold is none.
func moment(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Microsecond)
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
