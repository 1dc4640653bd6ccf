package review

import (
	"cmp"
	"slices"

	"github.com/betonica/betonica/store/audit/plain"
)

const (
	maxKeys    = 1024 // different lines that are counted of a group
	maxLines   = 20   // that are told of them
	maxExample = 3    // entries that are named of a line
	maxText    = 160  // bytes of a line
)

// A tally counts lines, of which a stranger may make any number. Each line that there are
// more than n/maxKeys of is in it, and its count is too low by lost at most.
type tally struct {
	n     int64
	lost  int64 // was taken from each count
	lines map[string]*Line
}

// add counts one more line, of an entry; what nobody has checked is cleaned.
func (t *tally) add(text string, seq int64) {
	t.n++
	text = plain.Clean(text, maxText)
	l := t.lines[text]
	if l == nil {
		if len(t.lines) == maxKeys {
			t.lost++
			for key, l := range t.lines {
				if l.Count--; l.Count == 0 {
					delete(t.lines, key)
				}
			}
			return
		}
		if t.lines == nil {
			t.lines = map[string]*Line{}
		}
		l = &Line{What: text}
		t.lines[text] = l
	}
	if l.Count++; len(l.Entries) < maxExample {
		l.Entries = append(l.Entries, seq)
	}
}

// group returns the lines that there are most of.
func (t *tally) group(name, title string) Group {
	g := Group{Name: name, Title: title, Count: t.n, Lines: make([]Line, 0, min(len(t.lines), maxLines))}
	all := make([]*Line, 0, len(t.lines))
	for _, l := range t.lines {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *Line) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What)) })
	rest := t.n
	for _, l := range all[:min(len(all), maxLines)] {
		l.AtLeast = t.lost > 0
		g.Lines = append(g.Lines, *l)
		rest -= l.Count
	}
	g.Rest = rest
	return g
}
