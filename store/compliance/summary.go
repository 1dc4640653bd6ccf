package compliance

import (
	"slices"
	"strings"
	"time"
)

// A Summary is what the log keeps of a run: enough to tell what changed since.
type Summary struct {
	At      time.Time
	Profile string
	Version int
	States  map[string]State // by check
}

// A Change is that a check ended otherwise than in the run before.
type Change struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	From  State  `json:"from,omitempty"` // empty: it was not in the run before
	To    State  `json:"to"`
}

// codes are the states as the log has them.
var codes = [...]struct {
	code  string
	state State
}{{"p", Pass}, {"f", Fail}, {"t", NotTested}, {"a", NotApplicable}, {"w", Attested}}

// Encode writes the states of a run for the log: "308-01=p 308-02=f".
func (r *Run) Encode() string {
	var all []string
	for _, one := range r.Results {
		for _, c := range codes {
			if c.state == one.State {
				all = append(all, one.ID+"="+c.code)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// DecodeStates reads what Encode wrote; what it does not know it passes over.
func DecodeStates(text string) map[string]State {
	states := map[string]State{}
	for word := range strings.FieldsSeq(text) {
		id, code, _ := strings.Cut(word, "=")
		for _, c := range codes {
			if c.code == code {
				states[id] = c.state
			}
		}
	}
	return states
}

// changes compares a run with the one before.
func (r *Run) changes(last *Summary) []Change {
	all := []Change{}
	if last == nil {
		return all
	}
	for _, one := range r.Results {
		if before := last.States[one.ID]; before != one.State {
			all = append(all, Change{one.ID, one.Title, before, one.State})
		}
	}
	return all
}
