// Package doctor examines a certificate authority where it lies: each of its checks
// looks at one thing, and says what is wrong with it and what to do. It repairs
// nothing and writes nothing, works whether the daemon runs or not, and never makes a
// daemon wait.
package doctor

import (
	"context"
	"fmt"
	"time"
)

// A Verdict is how something stands.
type Verdict string

const (
	OK      Verdict = "ok"
	Skipped Verdict = "not checked" // and why
	Warning Verdict = "warning"     // it works, and is not as it should be
	Failed  Verdict = "failed"      // it does not work, or what it promises does not hold
)

// worse orders verdicts.
var worse = map[Verdict]int{OK: 0, Skipped: 1, Warning: 2, Failed: 3}

// A Finding is one thing that a check has found.
type Finding struct {
	State Verdict `json:"state"`
	What  string  `json:"what"`         // in one line, without secrets
	Do    string  `json:"do,omitempty"` // what an operator does about it, or could do
}

// A Check looks at one thing.
type Check struct {
	Name string // of one word
	Run  func(context.Context, *Case) []Finding
}

// Checks are all that there are, in the order in which they are told: what the others
// rest on comes first.
func Checks() []Check {
	return []Check{
		{"daemon", daemon}, {"configuration", configuration}, {"folder", folder}, {"keys", keys}, {"separation", separation},
		{"store", storeCheck}, {"database", database}, {"disk", disk}, {"certificates", certificates}, {"lists", lists}, {"published", published},
		{"listeners", listeners}, {"clock", clock}, {"replicas", replicas}, {"backup", backup}, {"records", records}, {"deliveries", deliveries}, {"limits", limits},
	}
}

// A Result is what became of a check. State is that of its worst finding.
type Result struct {
	Name     string    `json:"check"`
	State    Verdict   `json:"state"`
	Findings []Finding `json:"findings"`
}

// A Report is what became of all checks. Its JSON stays as it is; members may be added.
type Report struct {
	Version string    `json:"version"` // of this program
	Dir     string    `json:"dir"`
	At      time.Time `json:"at"`
	State   Verdict   `json:"state"`
	Checks  []Result  `json:"checks"`
}

// Examine makes the checks, one after the other.
func Examine(ctx context.Context, c *Case, checks []Check) Report {
	r := Report{Version: c.Version, Dir: c.Dir, At: c.Now().UTC().Truncate(time.Second), State: OK}
	for _, check := range checks {
		result := Result{Name: check.Name, State: OK, Findings: check.Run(ctx, c)}
		for _, f := range result.Findings {
			result.State = worst(result.State, f.State)
		}
		r.State = worst(r.State, result.State)
		r.Checks = append(r.Checks, result)
	}
	return r
}

// Count returns how many checks ended so.
func (r Report) Count(v Verdict) (n int) {
	for _, c := range r.Checks {
		if c.State == v {
			n++
		}
	}
	return n
}

func worst(a, b Verdict) Verdict {
	if worse[b] > worse[a] {
		return b
	}
	return a
}

func ok(format string, args ...any) Finding {
	return Finding{State: OK, What: fmt.Sprintf(format, args...)}
}

func skip(format string, args ...any) Finding {
	return Finding{State: Skipped, What: fmt.Sprintf(format, args...)}
}

// warn and fail take what to do first.
func warn(do, format string, args ...any) Finding {
	return Finding{State: Warning, What: fmt.Sprintf(format, args...), Do: do}
}

// hint is of what is well, and could be better.
func hint(do, format string, args ...any) Finding {
	return Finding{State: OK, What: fmt.Sprintf(format, args...), Do: do}
}

func fail(do, format string, args ...any) Finding {
	return Finding{State: Failed, What: fmt.Sprintf(format, args...), Do: do}
}

// orOK returns what was found, or the one finding that all is well.
func orOK(found []Finding, format string, args ...any) []Finding {
	if len(found) == 0 {
		return []Finding{ok(format, args...)}
	}
	return found
}
