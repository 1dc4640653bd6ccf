package review

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
)

const (
	maxPeople  = 256 // whose acts are counted one by one
	maxActions = 256 // different ones
)

// A gathering is one run of Read.
type gathering struct {
	Config
	opener  *audit.Opener
	tallies [kinds]tally
	usual   map[string]int64 // of no group, by action
	counts  map[string]*Line // all, by action
	alerts  map[int64]*followed
	people  map[string]*doer
	others  int64            // acts of more people than are counted
	dropped int64            // refusals without an entry
	before  map[string]int64 // by action, in the spans before
	few     []Line           // of frequency
	spans   int
}

// A doer is a person who used a right.
type doer struct {
	Line
	new bool // had not done so in the spans before
}

func newGathering(c Config, opener *audit.Opener) *gathering {
	return &gathering{
		Config: c, opener: opener, usual: map[string]int64{}, counts: map[string]*Line{}, alerts: map[int64]*followed{},
		people: map[string]*doer{},
	}
}

// count counts an entry by its action, which stands in clear.
func (g *gathering) count(name string, seq int64) {
	l := g.counts[name]
	if l == nil {
		if len(g.counts) == maxActions {
			return
		}
		l = &Line{}
		g.counts[strings.Clone(name)] = l
	}
	if l.Count++; len(l.Entries) < maxExample {
		l.Entries = append(l.Entries, seq)
	}
}

// person reports whether an actor has rights: root, or one of a privileged role.
func (g *gathering) person(actor string) bool {
	if strings.HasPrefix(actor, "uid:") {
		return true
	}
	role, _, path := strings.Cut(actor, "/")
	return path && g.Privileged(role)
}

func (g *gathering) act(person string, seq int64) {
	d := g.people[person]
	if d == nil {
		if len(g.people) == maxPeople {
			g.others++
			return
		}
		d = &doer{}
		d.What = plain.Clean(person, maxText)
		g.people[person] = d
	}
	if d.Count++; len(d.Entries) < maxExample {
		d.Entries = append(d.Entries, seq)
	}
}

// tell fills in the summary.
func (g *gathering) tell(s *Summary) {
	s.Compared = g.spans
	if g.dropped > 0 {
		t := &g.tallies[health]
		t.add(fmt.Sprintf("%d refusals have no entry: there were too many at once", g.dropped), g.counts["refusals.dropped"].Entries[0])
	}
	fresh := g.doers(s)
	for k := range kinds {
		t := &g.tallies[k]
		var group Group
		switch k {
		case alerts:
			group = g.alertGroup()
		case frequency:
			group = whole(k, g.few)
		case newcomers:
			group = whole(k, fresh)
		default:
			group = t.group(names[k].name, names[k].title)
		}
		if group.Count > 0 {
			s.Groups = append(s.Groups, group)
		}
	}
	s.Ordinary = []Line{}
	for _, action := range slices.Sorted(maps.Keys(g.usual)) {
		s.Ordinary = append(s.Ordinary, Line{What: action, Count: g.usual[action]})
	}
	slices.SortStableFunc(s.Ordinary, func(a, b Line) int { return cmp.Compare(b.Count, a.Count) })
}

// doers fills in what people did, and returns those who had not done anything before.
func (g *gathering) doers(s *Summary) (fresh []Line) {
	s.Acts = []Act{}
	for _, person := range slices.Sorted(maps.Keys(g.people)) {
		d := g.people[person]
		s.Acts = append(s.Acts, Act{Person: d.What, Count: d.Count, New: d.new})
		if d.new {
			fresh = append(fresh, d.Line)
		}
	}
	if g.others > 0 {
		s.Acts = append(s.Acts, Act{Person: "others", Count: g.others})
	}
	slices.SortStableFunc(s.Acts, func(a, b Act) int { return cmp.Compare(b.Count, a.Count) })
	return fresh
}

// whole is a group of so few lines that all are told; it counts them.
func whole(k kind, lines []Line) Group {
	return Group{Name: names[k].name, Title: names[k].title, Count: int64(len(lines)), Lines: lines}
}
