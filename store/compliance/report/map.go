package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/betonica/betonica/store/compliance"
)

// A chart is the map of who spoke with whom: callers on the left, by role, and on the
// right what they called, by guard, route and protocol. Lines are as thick as there are
// records, on a scale of tens.
type chart struct {
	Height  int
	Callers []mark
	Called  []mark
	Lines   []line
	More    int // edges that are not drawn
	Words   string
}

type mark struct {
	Name, Detail, Numbers string
	Whole                 string // the name, where Name is its beginning
	Y, YDetail, YNumbers  int
	Size                  string
	Stranger              bool
}

type line struct {
	Path, Width, Title string
	Refused            bool // nothing else came of it
}

const (
	maxLines  = 40
	maxCaller = 20 // characters that there is room for
	maxCalled = 36
	rowHeight = 58
	leftX     = 214
	rightX    = 640
)

func drawMap(edges []compliance.Edge) *chart {
	if len(edges) == 0 {
		return nil
	}
	c := &chart{More: max(0, len(edges)-maxLines)}
	edges = edges[:min(len(edges), maxLines)]
	type sum struct{ machines, allowed, refused int64 }
	callers, called := map[string]*sum{}, map[string]*sum{}
	var left, right []string
	of := func(all map[string]*sum, order *[]string, key string) *sum {
		if all[key] == nil {
			all[key] = &sum{}
			*order = append(*order, key)
		}
		return all[key]
	}
	target := func(e compliance.Edge) string { return e.Guard + "\x00" + e.Route + "\x00" + e.Protocol }
	for _, e := range edges {
		l, r := of(callers, &left, e.Role), of(called, &right, target(e))
		l.machines = max(l.machines, e.Machines)
		l.allowed, l.refused = l.allowed+e.Allowed, l.refused+e.Refused
		r.allowed, r.refused = r.allowed+e.Allowed, r.refused+e.Refused
	}
	slices.SortStableFunc(right, func(a, b string) int {
		return cmp.Compare(firstCaller(left, edges, a, target), firstCaller(left, edges, b, target))
	})
	rows := max(len(left), len(right))
	c.Height = rows*rowHeight + 20
	place := func(n, of int) int { return 10 + rowHeight*(rows-of)/2 + rowHeight*n + rowHeight/2 }
	at := map[string]int{}
	for i, name := range left {
		y, s := place(i, len(left)), callers[name]
		at["<"+name] = y
		short, whole := shortened(name, maxCaller)
		m := mark{Name: short, Whole: whole, Y: y, YDetail: y + 15, Size: fmt.Sprintf("%.1f", 7+2.4*math.Log10(float64(max(s.machines, 1)))), Stranger: name == "strangers"}
		m.Detail = compliance.Counted(s.machines, "machine")
		if m.Stranger {
			m.Detail = "no certificate of ours"
		}
		c.Callers = append(c.Callers, m)
	}
	for i, key := range right {
		parts, y, s := strings.Split(key, "\x00"), place(i, len(right)), called[key]
		at[">"+key] = y
		short, whole := shortened(parts[0], maxCalled)
		detail, _ := shortened(strings.Join(notEmpty(parts[1], parts[2]), " · "), maxCalled)
		m := mark{Name: short, Whole: whole, Detail: detail, Y: y - 9, YDetail: y + 6, YNumbers: y + 20}
		m.Numbers = compliance.Number(s.allowed) + " let in, " + compliance.Number(s.refused) + " refused"
		c.Called = append(c.Called, m)
	}
	var words []string
	for _, e := range edges {
		y1, y2 := at["<"+e.Role], at[">"+target(e)]
		c.Lines = append(c.Lines, line{
			Path:  fmt.Sprintf("M%d %dC%d %d %d %d %d %d", leftX+14, y1, leftX+190, y1, rightX-190, y2, rightX-14, y2),
			Width: fmt.Sprintf("%.1f", 1.2+1.25*math.Log10(float64(max(e.Allowed+e.Refused+e.Other, 1)))), Refused: e.Allowed == 0,
			Title: fmt.Sprintf("%s to %s %s: %s let in, %s refused", e.Role, e.Guard, e.Route, compliance.Number(e.Allowed), compliance.Number(e.Refused)),
		})
		words = append(words, fmt.Sprintf("%s to %s", e.Role, e.Guard))
	}
	c.Words = "Who spoke with whom: " + strings.Join(words, "; ")
	return c
}

// shortened returns what there is room for of a name, and the whole if that is not all.
func shortened(name string, room int) (short, whole string) {
	runes := []rune(name)
	if len(runes) <= room {
		return name, ""
	}
	return string(runes[:room-1]) + "…", name
}

// firstCaller is the place of the first role that calls a target: lines cross less so.
func firstCaller(left []string, edges []compliance.Edge, key string, target func(compliance.Edge) string) int {
	for i, role := range left {
		for _, e := range edges {
			if e.Role == role && target(e) == key {
				return i
			}
		}
	}
	return len(left)
}

func notEmpty(words ...string) (kept []string) {
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return kept
}
