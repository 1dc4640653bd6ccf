package alert

import (
	"fmt"
	"slices"
	"time"
)

// A Severity says how soon a person should look.
type Severity uint8

const (
	Low      Severity = iota + 1 // some day this week
	Medium                       // today
	High                         // now, in working hours
	Critical                     // now
)

var severities = [...]string{"", "low", "medium", "high", "critical"}

func (s Severity) String() string {
	if int(s) < len(severities) {
		return severities[s]
	}
	return ""
}

// MarshalText writes the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severities[1:], string(text))
	if i < 0 {
		return fmt.Errorf("%.20q is no severity", text)
	}
	*s = Severity(i + 1)
	return nil
}

// A State is what became of an alert.
type State string

const (
	Open         State = "open"
	Acknowledged State = "acknowledged" // a person has seen it, and said a word
	Resolved     State = "resolved"
)

// An Action is what a rule would have done: policy says whether it is.
type Action string

const (
	Suspend Action = "suspend" // the identity
	Hold    Action = "hold"    // the identity, until its owner says that it may go on
	Block   Action = "block"   // the source address, for a while
	Pause   Action = "pause"   // the rollout
)

// A Ref is an entry that an alert rests on: one of the CA's log, or, with an Origin, of
// that journal.
type Ref struct {
	Origin string `json:"origin,omitempty"`
	Seq    int64  `json:"seq"`
}

func (r Ref) String() string {
	if r.Origin == "" {
		return fmt.Sprintf("entry %d", r.Seq)
	}
	return fmt.Sprintf("entry %d of %s", r.Seq, r.Origin)
}

// Bounds of an alert.
const (
	maxEntries  = 8 // the first and the newest seven
	maxSubjects = 16
	maxFact     = 640 // bytes
)

// An Alert is one thing that is worth a person's look.
type Alert struct {
	ID       int64    `json:"id"` // rises, and is never given again
	Rule     string   `json:"rule"`
	Key      string   `json:"key"` // with Rule it says whether two findings are one alert
	Severity Severity `json:"severity"`
	Site     string   `json:"site,omitempty"`
	Subject  string   `json:"subject,omitempty"` // whom it is about; "" of what is gathered

	// Subjects are those of an alert that is gathered, the first sixteen.
	Subjects []string `json:"subjects,omitempty"`

	Opened time.Time `json:"opened"` // by the engine's time
	Last   time.Time `json:"last"`   // when it was last found, by the facts' time
	Count  int64     `json:"count"`  // how often

	Facts   [2]string `json:"facts"`   // what was compared, the newest time that it was
	Entries []Ref     `json:"entries"` // that say so: the first, and the newest

	State State  `json:"state"`
	By    string `json:"by,omitempty"`   // who acknowledged it
	Word  string `json:"word,omitempty"` // and what he said
	Why   string `json:"why,omitempty"`  // it is resolved

	// Touched is when the engine last heard of it, which quiet is measured from, and Crowd
	// what resolves it once three machines do alike. Told is the count that was told last.
	Touched time.Time `json:"touched"`
	Crowd   uint64    `json:"crowd,omitempty"`
	Told    int64     `json:"told"`
}

// What says which way an alert changed.
type What string

const (
	Opening       What = "open"
	Counting      What = "count" // it repeats: told at each doubling, and at most once a minute
	Acknowledging What = "acknowledge"
	Resolving     What = "resolve"
)

// A Change is what an alert became. The alert is a copy as it is after the change.
type Change struct {
	What  What
	Alert Alert

	// Propose is what the rule would have done, to Subject: a machine, or an address. ""
	// is nothing.
	Propose Action
	Subject string
}

func (a *Alert) copy() Alert {
	c := *a
	c.Subjects, c.Entries = slices.Clone(a.Subjects), slices.Clone(a.Entries)
	return c
}

// add cites entries, each once.
func (a *Alert) add(refs []Ref) {
	for _, r := range refs {
		if r.Seq <= 0 || slices.Contains(a.Entries, r) {
			continue
		}
		if len(a.Entries) == maxEntries {
			a.Entries = slices.Delete(a.Entries, 1, 2)
		}
		a.Entries = append(a.Entries, r)
	}
}

// name adds a subject to a gathered alert.
func (a *Alert) name(subject string) {
	if len(a.Subjects) < maxSubjects && subject != "" && !slices.Contains(a.Subjects, subject) {
		a.Subjects = append(a.Subjects, subject)
	}
}
