package alert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/betonica/betonica/store/audit"
)

const actionPrefix = "alert."

// Event returns what the log keeps of a change: its action is "alert." and what became of
// the alert, its subject is the machine that it is about, or the alert itself where it is
// about several. The detail has every field of the alert that is anybody's business, the
// rule's title and what to do, so that who receives it needs no list of rules.
//
// The actor is the daemon, but for a person's acknowledgement; whoever records that adds
// the address.
func (c Change) Event() audit.Event {
	a := &c.Alert
	e := audit.Event{Action: actionPrefix + string(c.What), Actor: "self", Subject: cmp.Or(a.Subject, Name(a.ID)), Outcome: "ok"}
	if c.What == Acknowledging && a.By != "" {
		e.Actor = a.By
	}
	w := told{Alert: *a, Propose: c.Propose}
	w.Opened, w.Last = a.Opened.UTC(), a.Last.UTC()
	if r, known := catalogue[a.Rule]; known {
		w.Class, w.Title, w.Do = r.Class, r.Title, r.Do
	}
	if c.Propose != "" {
		w.About = c.Subject
	}
	b, err := json.Marshal(w)
	if err != nil {
		panic(err) // every value in it has a form in JSON
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // numbers of entries are exact
	if err := dec.Decode(&e.Detail); err != nil {
		panic(err) // it was just written
	}
	for _, own := range []string{"touched", "crowd", "told"} {
		delete(e.Detail, own)
	}
	return e
}

// told is what an entry about an alert has as its detail.
type told struct {
	Alert
	Class   Class  `json:"class,omitempty"`
	Title   string `json:"title,omitempty"`
	Do      string `json:"do,omitempty"`
	Propose Action `json:"propose,omitempty"` // what the rule would have done
	About   string `json:"about,omitempty"`   // and to whom
}

// catalogue has the rules by their IDs.
var catalogue = func() map[string]Rule {
	all := make(map[string]Rule)
	for _, r := range Rules() {
		all[r.ID] = r
	}
	return all
}()

// RuleOf returns the rule with this ID, and whether there is one: an alert of before may
// be of a rule that was taken out.
func RuleOf(id string) (Rule, bool) {
	r, ok := catalogue[id]
	return r, ok
}

// Name is what an alert is called where a text has to tell it from a machine.
func Name(id int64) string { return fmt.Sprintf("alert/%d", id) }

// FromEntry returns the alert that an entry is about, as it was after the change, and what
// the change was; false if the entry is not about one. What only the engine needs is zero.
func FromEntry(e audit.Entry) (Alert, What, bool) {
	word, ours := strings.CutPrefix(e.Action, actionPrefix)
	what := What(word)
	switch {
	case !ours:
		return Alert{}, "", false
	case what == Opening, what == Counting, what == Acknowledging, what == Resolving:
	default:
		return Alert{}, "", false
	}
	b, err := json.Marshal(e.Detail)
	if err != nil {
		return Alert{}, "", false
	}
	var a Alert
	if err := json.Unmarshal(b, &a); err != nil || a.ID <= 0 {
		return Alert{}, "", false
	}
	return a, what, true
}
