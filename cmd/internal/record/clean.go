package record

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Clean returns r as it is put down: each text printable and bounded, each word one of
// those that there are ("unknown" if not), the times in UTC to the microsecond. To
// clean twice is to clean once. It allocates only where something is to be changed.
func (r Record) Clean() Record {
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
		*f.text = clean(*f.text, f.max)
	}
	r.Side = known(r.Side, Server, Client)
	r.Protocol = known(r.Protocol, TCP, HTTP, FHIR, MLLP, DICOM)
	r.Outcome = known(r.Outcome, Allowed, Refused, Observed, Cut, Failed)
	if r.Kind = known(r.Kind, Connection, Request, Message, Association); r.Kind == "" {
		r.Kind = unknown
	}
	r.Begin, r.End = moment(r.Begin), moment(r.End)
	return r
}

// moment is t as it is written; one that no text can hold is none.
func moment(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Microsecond)
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

const more = "…"

// clean returns s with whatever is not printable escaped, in at most max bytes.
func clean(s string, max int) string {
	if len(s) <= max && printable(s) {
		return s
	}
	var b strings.Builder
	end := 0 // of what leaves room for the mark
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case plain(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
		if b.Len() > max {
			return b.String()[:end] + more
		}
		if b.Len() <= max-len(more) {
			end = b.Len()
		}
	}
	return b.String()
}

func printable(s string) bool {
	for i, r := range s {
		if !plain(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// plain says whether r is what it looks like: neither control nor format character,
// which is what turns text around (Unicode, Cf), nor any space but the one.
func plain(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsPrint(r)
}
