package review

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/betonica/betonica/store/audit/plain"
)

// maxAlerts bounds the alerts whose state is followed; of more, only entries are counted.
const maxAlerts = 4096

// A followed alert is as its newest entry has it.
type followed struct {
	rank int // what is open and severe comes first
	line Line
}

var (
	states     = []string{"open", "acknowledged", "resolved"}
	severities = []string{"critical", "high", "medium", "low"}
)

// alert follows what became of an alert.
func (g *gathering) alert(b *body, seq int64) {
	g.tallies[alerts].n++
	d := &b.Detail
	a := g.alerts[d.ID]
	if a == nil {
		if len(g.alerts) == maxAlerts || d.ID == 0 {
			return
		}
		a = &followed{}
		g.alerts[d.ID] = a
	}
	state, severity := slices.Index(states, d.State), slices.Index(severities, d.Severity)
	a.rank = (state&3)*4 + severity&3
	text := fmt.Sprintf("%s, %s: %s %s", d.State, d.Severity, d.Rule, b.Subject)
	if d.Title != "" {
		text += ", " + d.Title
	}
	if d.Word != "" {
		text += ": " + d.Word
	}
	a.line.What = plain.Clean(text, maxText)
	if a.line.Count++; len(a.line.Entries) < maxExample {
		a.line.Entries = append(a.line.Entries, seq)
	}
}

func (g *gathering) alertGroup() Group {
	out := Group{Name: names[alerts].name, Title: names[alerts].title, Count: g.tallies[alerts].n, Rest: g.tallies[alerts].n}
	all := make([]*followed, 0, len(g.alerts))
	for _, a := range g.alerts {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *followed) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.line.Entries[0], b.line.Entries[0]))
	})
	for _, a := range all[:min(len(all), maxLines)] {
		out.Lines = append(out.Lines, a.line)
		out.Rest -= a.line.Count
	}
	return out
}
