package atna

import (
	"slices"
	"strconv"
	"strings"
)

// Limit is the longest syslog message that is made, in octets: what every receiver of
// audit messages takes (PS3.15, Section A.6; IHE ITI-20).
const Limit = 32768

// A Format is what a syslog message holds.
type Format string

const (
	DICOM Format = "dicom" // [Message.XML]
	JSON  Format = "json"  // [Message.JSON]
)

// A Sender is who sends syslog messages, as their headers have it.
type Sender struct {
	Host string // FQDN, or IP address: 255 characters; empty: not known
	App  string // 48 characters
	PID  string // 128 characters
}

// Syslog returns a message of the syslog protocol (RFC 5424, Section 6) with m in the
// format f, at most Limit octets long. Its facility is 10, security; its severity 5,
// notice, or 4, warning, if [Message.Alert] says so: "<85>" or "<84>".
//
// A message that would be longer loses details of its entry, the longest first and among
// equals the last by name, until it fits, and has one more, "shortened", which names them
// as far as there is room. Who, what, when, the outcome and which entry it is are never
// lost: without any details a message always fits.
//
// RFC 5424, Section 6.4, wants a byte order mark before UTF-8, and some receivers' XML
// parsers want none. Both get what they want, since what is sent is US-ASCII.
func (m *Message) Syslog(from Sender, f Format) []byte {
	short := *m
	for {
		b := short.appendSyslog(make([]byte, 0, 5<<10), from, f)
		if len(b) <= Limit || !short.shorten(len(b)-Limit) {
			return b
		}
	}
}

// Frame appends a syslog message to b as RFC 5425, Section 4.3, has it on a connection:
// its length in octets, a space, and the message.
func Frame(b, msg []byte) []byte {
	b = append(strconv.AppendInt(b, int64(len(msg)), 10), ' ')
	return append(b, msg...)
}

func (m *Message) appendSyslog(b []byte, from Sender, f Format) []byte {
	priority, id := "<85>1 ", "IHE+RFC-3881"
	if m.Alert() {
		priority = "<84>1 "
	}
	content := m.appendXML
	if f == JSON {
		id, content = "betonica+json", m.appendJSON
	}
	b = append(append(b, priority...), m.entry.at...)
	for _, h := range [...]struct {
		value string
		max   int
	}{{from.Host, 255}, {from.App, 48}, {from.PID, 128}, {id, 32}} {
		b = appendHeader(append(b, ' '), h.value, h.max)
	}
	b = append(b, " - "...) // no structured data
	return content(b)
}

// appendHeader appends a field of the header: PRINTUSASCII, or "-" if there is nothing.
func appendHeader(b []byte, s string, max int) []byte {
	if s == "" {
		return append(b, '-')
	}
	for i := range min(len(s), max) {
		c := s[i]
		if c <= ' ' || c > '~' {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// shorten leaves details out, of at least so many octets; false: there are none left.
func (m *Message) shorten(octets int) bool {
	sizes := make(map[text]int, len(m.details))
	order := slices.Clone(m.details)
	for i := range order {
		sizes[order[i].name] = len(order[i].text())
	}
	slices.Reverse(order) // they are by name
	slices.SortStableFunc(order, func(a, b detail) int { return sizes[b.name] - sizes[a.name] })
	gone := make(map[text]bool)
	lost := m.lost
	for _, d := range order {
		if octets <= 0 {
			break
		}
		octets -= max(sizes[d.name], 1)
		gone[d.name] = true
		lost += " " + d.name
	}
	m.details = slices.DeleteFunc(slices.Clone(m.details), func(d detail) bool { return gone[d.name] })
	m.lost = clean(strings.TrimSpace(string(lost)), maxOutcome)
	return len(gone) > 0
}
