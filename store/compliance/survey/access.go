package survey

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

// An access is what a guard's record says, as far as anything here asks.
type access struct {
	at   time.Time
	kind string // connection, request, message, association

	Actor   string `json:"actor"`
	Address string `json:"address"`
	Outcome string `json:"outcome"`
	Detail  struct {
		Serial    string    `json:"serial"`
		Route     string    `json:"route"`
		Operation string    `json:"operation"`
		Rule      string    `json:"rule"`
		Reason    string    `json:"reason"`
		Link      string    `json:"link"`
		Number    string    `json:"number"`
		Side      string    `json:"side"`
		Protocol  string    `json:"protocol"`
		Request   string    `json:"request"`
		Response  string    `json:"response"`
		Begin     time.Time `json:"begin"`
		End       time.Time `json:"end"`
		Since     time.Time `json:"since"`
		In        int64     `json:"in"`
		Out       int64     `json:"out"`
	} `json:"detail"`
}

// read takes an opened entry in, and reports whether it is an access or something else
// that a guard writes: false is for what no guard could have written.
func (a *access) read(e audit.Entry, text []byte) bool {
	*a = access{at: e.At}
	kind, ok := strings.CutPrefix(e.Action, "access.")
	if !ok {
		return true
	}
	a.kind = kind
	if a.scan(text) {
		return true
	}
	*a = access{at: e.At, kind: kind}
	return json.Unmarshal(text, a) == nil
}

// begun reports that the record is the first of two: the second says the same, and how it
// ended.
func (a *access) begun() bool {
	return a.Detail.End.IsZero() && (a.kind == "request" || a.kind == "association" || a.kind == "message")
}

// closed reports that the record is the second of a connection's two.
func (a *access) closed() bool { return a.kind == "connection" && a.Detail.Operation == "close" }

// in reports whether it was let through.
func (a *access) in() bool { return a.Outcome == "allowed" || a.Outcome == "observed" }

// Limits of what is kept of a stranger's text, in bytes.
const (
	pathText   = 256
	reasonText = 96
	wordText   = 32
)

// count counts a record of a journal. A guard beside the caller is a witness of digests
// alone: of everything else the guard before the application is the better one.
func (t *tally) count(j *store.Journal, a *access) {
	if a.kind == "" {
		return
	}
	t.shared.pairs.add(j.Origin, a)
	d := &a.Detail
	if d.Side != "server" {
		return
	}
	f := &t.facts
	if f.First.IsZero() || a.at.Before(f.First) {
		f.First = a.at
	}
	if a.at.After(f.Last) {
		f.Last = a.at
	}
	if a.closed() {
		t.session(a)
	}
	if d.Rule != "" {
		addTo(t.rules, d.Rule, 1, maxRules)
	}
	if a.begun() || a.closed() && a.Outcome != "cut" {
		return
	}
	f.Records++
	addTo(f.Outcomes, known(a.Outcome), 1, compliance.MaxReasons)
	addTo(f.Protocols, plain.Clean(d.Protocol, wordText), 1, compliance.MaxReasons)
	t.edge(j, a)
	switch {
	case a.Outcome == "refused":
		addTo(f.Refusals, reason(d.Reason), 1, compliance.MaxReasons)
	case a.Outcome == "cut":
		addTo(f.Logoffs, reason(d.Reason), 1, compliance.MaxReasons)
	case a.in():
		t.entered(j, a)
	}
}

// entered looks at an access that was let through.
func (t *tally) entered(j *store.Journal, a *access) {
	f, d := &t.facts, &a.Detail
	caller, place := plain.Clean(a.Actor, pathText), j.Identity+" "+plain.Clean(d.Route, wordText)+" "+a.at.Format(time.RFC3339)
	if a.Outcome == "observed" {
		f.Observed.Add(caller, place)
	}
	if a.Actor == "" || d.Serial == "" {
		f.Nameless.Add(plain.Clean(a.Address, wordText*2), place)
		return
	}
	serial, err := store.ParseSerial(d.Serial)
	if err != nil {
		return // of another CA
	}
	began := a.at
	for _, at := range []time.Time{d.Begin, d.Since} {
		if !at.IsZero() && at.Before(began) {
			began = at
		}
	}
	if at, revoked := t.survey.revoked[serial]; revoked && began.Sub(at) >= enforceWithin {
		f.Revoked.Add(caller, place+", revoked "+at.Format(time.RFC3339))
	}
}

// session looks at a connection that came to an end.
func (t *tally) session(a *access) {
	f, d := &t.facts, &a.Detail
	f.Sessions++
	if d.Begin.IsZero() || d.End.IsZero() {
		return
	}
	if lasted := d.End.Sub(d.Begin); lasted > t.survey.Long {
		f.Long.Add(plain.Clean(a.Actor, pathText), plain.Clean(d.Route, wordText)+", "+compliance.Length(lasted)+", until "+d.End.Format(time.RFC3339))
	}
}

// known returns an outcome of the guards', and else "unknown".
func known(outcome string) string {
	switch outcome {
	case "allowed", "refused", "observed", "cut", "failed":
		return outcome
	}
	return "unknown"
}

// reason is a reason without what is different each time.
func reason(s string) string {
	s, _, _ = strings.Cut(s, "; ")
	if s == "" {
		return "no reason given"
	}
	return plain.Clean(s, reasonText)
}
