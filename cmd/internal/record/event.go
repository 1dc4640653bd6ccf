package record

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/betonica/betonica/store/audit"
)

const actionPrefix = "access."

// ErrOther reports that an entry is none of an access: a journal has entries about
// itself, too.
var ErrOther = errors.New("record: not the record of an access")

// Event returns r, cleaned, as it goes into a journal. In clear is only its kind; the
// rest is sealed, the key of the digests too. Who asked and what was asked for are the
// actor and the subject, by which entries are found again.
func (r Record) Event() audit.Event {
	r = r.Clean()
	d := make(map[string]any, 16)
	for _, f := range r.texts() {
		if *f.text != "" {
			d[f.name] = *f.text
		}
	}
	for _, f := range [...]struct {
		name  string
		value int64
	}{{"status", int64(r.Status)}, {"in", r.In}, {"out", r.Out}} {
		if f.value != 0 {
			d[f.name] = f.value
		}
	}
	put := func(name, text string) {
		if text != "" {
			d[name] = text
		}
	}
	put("begin", stamp(r.Begin))
	put("end", stamp(r.End))
	put("since", stamp(r.Since))
	put("side", string(r.Side))
	put("protocol", string(r.Protocol))
	put("request", r.Request.String())
	put("response", r.Response.String())
	put("key", r.Key.Reveal())
	return audit.Event{
		Action: actionPrefix + string(r.Kind), Actor: r.Caller, Subject: r.Target, Address: r.Address,
		Outcome: string(r.Outcome), Detail: d,
	}
}

// A field is a text of the detail.
type field struct {
	name string
	text *string
}

// texts are the fields of the detail that are text and nothing else.
func (r *Record) texts() [14]field {
	return [...]field{
		{"serial", &r.Serial}, {"guard", &r.Guard}, {"route", &r.Route}, {"operation", &r.Operation},
		{"resource", &r.Resource}, {"rule", &r.Rule}, {"reason", &r.Reason}, {"answer", &r.Answer},
		{"called", &r.Called}, {"calling", &r.Calling}, {"compartment", &r.Compartment}, {"also", &r.Also}, {"link", &r.Link}, {"number", &r.Number},
	}
}

// stamp writes a time with its microseconds; none is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(stampForm)
}

const stampForm = "2006-01-02T15:04:05.000000Z"

// Parse returns the record that an opened entry is, cleaned: whoever wrote it, it can
// be printed. It returns [ErrOther] if the entry is not of an access, and another error
// if it is, but no record could have made it: a field of the wrong type, a digest that
// is none. Fields that it does not know it passes over; a later version may write them.
func Parse(e audit.Entry) (Record, error) {
	kind, ok := strings.CutPrefix(e.Action, actionPrefix)
	if !ok {
		return Record{}, fmt.Errorf("%w: entry %d, %.64q", ErrOther, e.Seq, e.Action)
	}
	r := Record{Kind: Kind(kind), Caller: e.Actor, Target: e.Subject, Address: e.Address, Outcome: Outcome(e.Outcome)}
	p := parser{detail: e.Detail}
	for _, f := range r.texts() {
		*f.text = p.text(f.name)
	}
	r.Status, r.In, r.Out = int(p.number("status")), p.number("in"), p.number("out")
	r.Begin, r.End, r.Since = p.time("begin"), p.time("end"), p.time("since")
	r.Side, r.Protocol = Side(p.text("side")), Protocol(p.text("protocol"))
	r.Request, r.Response, r.Key.key = p.bytes("request"), p.bytes("response"), p.bytes("key")
	if p.err != nil {
		return Record{}, fmt.Errorf("record: entry %d: %w", e.Seq, p.err)
	}
	return r.Clean(), nil
}

// A parser reads the detail of an entry; err is the first thing that was wrong.
type parser struct {
	detail map[string]any
	err    error
}

func (p *parser) wrong(name string) {
	if p.err == nil {
		p.err = fmt.Errorf("malformed %s", name)
	}
}

func (p *parser) text(name string) string {
	v, there := p.detail[name]
	s, ok := v.(string)
	if there && !ok {
		p.wrong(name)
	}
	return s
}

// number reads what Event put in, or what came out of JSON again.
func (p *parser) number(name string) int64 {
	switch v := p.detail[name].(type) {
	case nil:
	case int64:
		return v
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		p.wrong(name)
	default:
		p.wrong(name)
	}
	return 0
}

func (p *parser) time(name string) time.Time {
	s := p.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		p.wrong(name)
	}
	return t
}

func (p *parser) bytes(name string) (b [len(Digest{})]byte) {
	s := p.text(name)
	if n, err := hex.Decode(b[:], []byte(s[:min(len(s), 2*len(b))])); err != nil || s != "" && (n != len(b) || len(s) != 2*n) {
		p.wrong(name)
	}
	return b
}
