package mllp

import (
	"bytes"
	"crypto/rand"
	"strings"
	"time"
)

// acknowledge returns the content of an answer to the message, or nil if its sender
// wants none of that kind. Sender and receiver are swapped; separators, version,
// processing ID and character set are the message's, and so nothing of what is repeated
// has to be read anew or escaped.
func (h *Header) acknowledge(v verdict, now time.Time) []byte {
	code := h.refusal(v)
	if code == "" || h.Separators == (Separators{}) {
		return nil
	}
	w := v.words()
	version := versionOf(h.Version)
	a := writer{s: h.Separators}

	a.segment("MSH")
	a.b.WriteString(h.Separators.Encoding) // MSH-2
	a.field(h.ReceivingApplication)
	a.field(h.ReceivingFacility)
	a.field(h.Application)
	a.field(h.Facility)
	a.field(a.own(now.UTC().Format("20060102150405+0000")))
	a.field("")
	a.field(a.components(acknowledgementType(h, version)...))
	a.field(rand.Text()[:20]) // MSH-10: 20 characters until version 2.6
	a.field(or(h.Processing, "P"))
	a.field(or(h.Version, a.own("2.3")))
	if h.Charset != "" {
		a.fields(5)
		a.field(h.Charset) // MSH-18
	}
	a.end()

	a.segment("MSA")
	a.b.WriteString(code)
	a.field(h.ControlID)
	if version < 207 { // withdrawn by then
		a.field(w.text)
	}
	if version >= 203 && version < 205 {
		a.fields(2)
		a.field(a.components(w.code, w.meaning, "HL70357")) // MSA-6
	}
	a.end()

	if version >= 205 {
		a.segment("ERR")
		a.field(a.location(w.field))                        // ERR-2
		a.field(a.components(w.code, w.meaning, "HL70357")) // ERR-3
		a.field("E")                                        // ERR-4
		a.fields(3)
		a.field(w.text) // ERR-8
		a.end()
	}
	return a.b.Bytes()
}

// acknowledgementType is MSH-9 of an answer: its event came with version 2.3, and the
// structure with 2.3.1.
func acknowledgementType(h *Header, version int) []string {
	switch {
	case h.Event == "" || version < 203:
		return []string{"ACK"}
	case version == 203 && h.Version == "2.3":
		return []string{"ACK", h.Event}
	}
	return []string{"ACK", h.Event, "ACK"}
}

// versionOf returns 205 for 2.5 and 2.5.1; what it does not know is the oldest.
func versionOf(s string) int {
	major, rest, _ := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n := 0
	for i := range len(minor) {
		if minor[i] < '0' || minor[i] > '9' || n > 9 {
			return 0
		}
		n = 10*n + int(minor[i]-'0')
	}
	if major != "2" || minor == "" {
		return 0
	}
	return 200 + n
}

// A writer puts segments together.
type writer struct {
	b bytes.Buffer
	s Separators
}

// segment begins one, and leaves it to the caller to write its first field, or of MSH
// its second.
func (a *writer) segment(name string) {
	a.b.WriteString(name)
	a.b.WriteByte(a.s.Field)
}

func (a *writer) field(s string) {
	a.b.WriteByte(a.s.Field)
	a.b.WriteString(s)
}

// fields writes n that are empty.
func (a *writer) fields(n int) {
	for range n {
		a.field("")
	}
}

func (a *writer) end() { a.b.WriteByte('\r') }

func (a *writer) components(all ...string) string {
	return strings.Join(all, a.s.Encoding[:1])
}

// location is an ERL: a field of the header.
func (a *writer) location(field string) string {
	if field == "" {
		return ""
	}
	return a.components("MSH", "1", field)
}

// own returns text of ours that has other signs than letters, digits and blanks in it,
// or nothing if one of them is a separator of this message.
func (a *writer) own(text string) string {
	if strings.ContainsAny(text, string(a.s.Field)+a.s.Encoding) {
		return ""
	}
	return text
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}
