package record

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// sealable returns what Event does, with the detail encoded already: a guard makes one for
// each request, and a map costs it as much as all that is done with the record after. room
// is where it is encoded, if there is enough of it.
func (r Record) sealable(room []byte) audit.Event {
	r.clean()
	d := detail(room)
	d.text("also", r.Also)
	d.text("answer", r.Answer)
	d.time("begin", r.Begin)
	d.text("called", r.Called)
	d.text("calling", r.Calling)
	d.text("compartment", r.Compartment)
	d.time("end", r.End)
	d.text("guard", r.Guard)
	d.number("in", r.In)
	d.bytes("key", r.Key.key)
	d.text("link", r.Link)
	d.text("number", r.Number)
	d.text("operation", r.Operation)
	d.number("out", r.Out)
	d.text("protocol", string(r.Protocol))
	d.text("reason", r.Reason)
	d.bytes("request", r.Request)
	d.text("resource", r.Resource)
	d.bytes("response", r.Response)
	d.text("route", r.Route)
	d.text("rule", r.Rule)
	d.text("serial", r.Serial)
	d.text("side", string(r.Side))
	d.time("since", r.Since)
	d.number("status", int64(r.Status))
	return audit.Event{
		Action: actionPrefix + string(r.Kind), Actor: r.Caller, Subject: r.Target, Address: r.Address,
		Outcome: string(r.Outcome), Encoded: d.end(),
	}
}

// A detail is an object in JSON, in the making. Its members are added in the order of
// their names; what is zero is left out.
type detail []byte

func (d *detail) name(name string) {
	begin := byte(',')
	if len(*d) == 0 {
		begin = '{'
	}
	*d = append(append(append(*d, begin, '"'), name...), '"', ':')
}

func (d *detail) text(name, text string) {
	if text != "" {
		d.name(name)
		*d = audit.AppendString(*d, text)
	}
}

func (d *detail) number(name string, n int64) {
	if n != 0 {
		d.name(name)
		*d = strconv.AppendInt(*d, n, 10)
	}
}

func (d *detail) time(name string, t time.Time) {
	if !t.IsZero() {
		d.name(name)
		*d = append(appendStamp(append(*d, '"'), t), '"')
	}
}

// appendStamp appends a moment in UTC as [stampForm] has it.
func appendStamp(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(digits(b, year, 4), '-')
	b = append(digits(b, int(month), 2), '-')
	b = append(digits(b, day, 2), 'T')
	b = append(digits(b, hour, 2), ':')
	b = append(digits(b, minute, 2), ':')
	b = append(digits(b, second, 2), '.')
	return append(digits(b, t.Nanosecond()/1000, 6), 'Z')
}

// digits appends the last n digits of a number.
func digits(b []byte, number, n int) []byte {
	var room [8]byte
	for i := n - 1; i >= 0; i-- {
		room[i] = byte('0' + number%10)
		number /= 10
	}
	return append(b, room[:n]...)
}

func (d *detail) bytes(name string, b [32]byte) {
	if b != ([32]byte{}) {
		d.name(name)
		*d = append(hex.AppendEncode(append(*d, '"'), b[:]), '"')
	}
}

// end returns the object; nil if it has no members.
func (d *detail) end() []byte {
	if len(*d) == 0 {
		return nil
	}
	return append(*d, '}')
}
