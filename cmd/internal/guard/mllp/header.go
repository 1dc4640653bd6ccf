package mllp

import (
	"bytes"
	"errors"
)

// maxHeader bounds the header segment, in bytes.
const maxHeader = 4 << 10

// maxID bounds a control ID: 20 characters until version 2.6, and 199 since.
const maxID = 199

// Why a message has no header that can be judged. Nothing of what was sent is in them.
var (
	errNoHeader   = errors.New("it does not begin with MSH")
	errSeparators = errors.New("MSH-1 and MSH-2 are no separators")
	errLong       = errors.New("the header segment is too long")
	errControl    = errors.New("a control character in the header segment")
	errType       = errors.New("MSH-9 is no message type")
	errControlID  = errors.New("MSH-10 is missing or too long")
)

// A Header is what the guard reads of a message: its MSH segment (HL7 v2.5.1, Section
// 2.15.9). The values are as they were sent, in the message's own encoding.
type Header struct {
	Separators Separators

	Application, Facility                   string // MSH-3 and 4: who sends
	ReceivingApplication, ReceivingFacility string // MSH-5 and 6

	Code, Event string // MSH-9.1 and 9.2: "ADT", "A01"; Event may be empty
	ControlID   string // MSH-10
	Processing  string // MSH-11
	Version     string // MSH-12, its first component
	Accept      string // MSH-15: accept acknowledgement type
	Answer      string // MSH-16: application acknowledgement type
	Charset     string // MSH-18

	// Batch says that it is the header of a batch or of a file of batches, BHS or FHS,
	// of which there is the separators, the names and the control ID.
	Batch bool
}

// Separators are MSH-1 and MSH-2.
type Separators struct {
	Field    byte
	Encoding string // component, repetition, escape, subcomponent, truncation: 1 to 5 of them
}

// standard are the separators that everybody uses.
var standard = Separators{'|', `^~\&`}

// ParseHeader reads the header segment that text begins with, as far as its CR, or LF,
// which some senders write instead. text is the whole message, or the beginning of one,
// of which the last field is then left out if the segment has no end. What comes back
// with an error is what could be read before it, and is enough for an answer if
// Separators is not zero.
func ParseHeader(text []byte, whole bool) (Header, error) {
	segment := text[:min(len(text), maxHeader)]
	end := bytes.IndexAny(segment, "\r\n")
	if end >= 0 {
		segment = segment[:end]
	}
	long := end < 0 && (!whole || len(text) > maxHeader)
	h, fields, err := parseSeparators(segment)
	if err != nil {
		return h, err
	}
	fields.cut = long
	// The fields up to the control ID are looked at even if the segment is bad, for it
	// is what an answer must have.
	h.Application, h.Facility = fields.name(3), fields.name(4)
	h.ReceivingApplication, h.ReceivingFacility = fields.name(5), fields.name(6)
	controlID := 10
	if h.Batch {
		controlID = 11
	}
	if id := fields.at(controlID); len(id) <= maxID && plain(id) {
		h.ControlID = string(id)
	}
	if h.Batch {
		if long {
			return h, errLong
		}
		return h, fields.check()
	}
	h.Processing, h.Version = fields.name(11), h.first(fields.name(12))
	h.Accept, h.Answer, h.Charset = null(fields.name(15)), null(fields.name(16)), fields.name(18)
	typed := h.parseType(fields.at(9))
	switch {
	case long:
		return h, errLong
	case fields.check() != nil:
		return h, errControl
	case !typed:
		return h, errType
	case h.ControlID == "":
		return h, errControlID
	}
	return h, nil
}

// Type returns what rules and records call the message: "ADT^A01", "ACK", or "BATCH".
func (h *Header) Type() string {
	switch {
	case h.Batch:
		return "BATCH"
	case h.Event != "":
		return h.Code + "^" + h.Event
	}
	return h.Code
}

// null returns a field, which may say of itself that it is empty (HL7 v2.5.1, Section
// 2.5.3).
func null(field string) string {
	if field == `""` {
		return ""
	}
	return field
}

// names says who sends to whom, for a record: the names of applications and facilities,
// of which none is a patient's.
func (h *Header) names() string {
	pair := func(application, facility string) string { return h.first(application) + "/" + h.first(facility) }
	if h.Separators == (Separators{}) {
		return ""
	}
	return pair(h.Application, h.Facility) + " -> " + pair(h.ReceivingApplication, h.ReceivingFacility)
}

// parseType reads MSH-9. A third component, the structure, is passed over: it says how
// the message is built, and MSH-9.1 and 9.2 what it asks. Letters and digits only: an
// escape, a repetition or a subcomponent could be read in more than one way.
func (h *Header) parseType(field []byte) bool {
	code, rest, _ := bytes.Cut(field, []byte{h.Separators.Encoding[0]})
	event, structure, _ := bytes.Cut(rest, []byte{h.Separators.Encoding[0]})
	if len(code) == 0 || !word(code) || !word(event) || !word(structure) {
		return false
	}
	h.Code, h.Event = string(code), string(event)
	return true
}

// word says whether s is of letters, digits and '_', at most 16.
func word(s []byte) bool {
	for _, c := range s {
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return len(s) <= 16
}

// first returns the first component of a field.
func (h *Header) first(field string) string {
	for i := range len(field) {
		if field[i] == h.Separators.Encoding[0] {
			return field[:i]
		}
	}
	return field
}
