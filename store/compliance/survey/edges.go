package survey

import (
	"cmp"
	"slices"
	"strings"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

// maxEdges bounds the edges that are told apart.
const maxEdges = 10_000

// An edgeKey is which machines speak with what.
type edgeKey struct{ role, guard, route, protocol string }

// edge counts a record on its edge of the map.
func (t *tally) edge(j *store.Journal, a *access) {
	d := &a.Detail
	key := edgeKey{roleOf(a), j.Identity, plain.Clean(d.Route, 2*wordText), plain.Clean(d.Protocol, wordText)}
	e := t.edges[key]
	if e == nil {
		if len(t.edges) >= maxEdges {
			t.facts.EdgesLost++
			return
		}
		e = &compliance.Edge{Role: key.role, Guard: key.guard, Route: key.route, Protocol: key.protocol}
		t.edges[key] = e
	}
	switch {
	case a.in():
		e.Allowed++
		t.shared.callers.add(key, a.Actor)
	case a.Outcome == "refused":
		e.Refused++
	default:
		e.Other++
	}
	e.Bytes += min(max(d.In, 0), 1<<50) + min(max(d.Out, 0), 1<<50)
	if a.at.After(e.Last) {
		e.Last = a.at
	}
}

// strangers is the role of those who showed no certificate of ours.
const strangers = "strangers"

// roleOf returns the role in a caller's SPIFFE ID. What somebody is called who showed no
// certificate of ours is his own word.
func roleOf(a *access) string {
	rest, ok := strings.CutPrefix(a.Actor, "spiffe://")
	if !ok || a.Detail.Serial == "" {
		return strangers
	}
	_, path, _ := strings.Cut(rest, "/")
	role, _, ok := strings.Cut(path, "/")
	if !ok || role == "" {
		return strangers
	}
	return plain.Clean(role, 2*wordText)
}

// mergeEdge adds an edge to others, and returns how many records there was no room for.
func mergeEdge(to map[edgeKey]*compliance.Edge, key edgeKey, e *compliance.Edge) int64 {
	sum := to[key]
	if sum == nil {
		if len(to) >= maxEdges {
			return e.Allowed + e.Refused + e.Other
		}
		to[key] = e
		return 0
	}
	sum.Allowed, sum.Refused, sum.Other, sum.Bytes = sum.Allowed+e.Allowed, sum.Refused+e.Refused, sum.Other+e.Other, sum.Bytes+e.Bytes
	if e.Last.After(sum.Last) {
		sum.Last = e.Last
	}
	return 0
}

// busiest lists edges, those with most records first.
func busiest(edges map[edgeKey]*compliance.Edge, s *shared) []compliance.Edge {
	all := make([]compliance.Edge, 0, len(edges))
	for key, e := range edges {
		e.Machines = s.callers.count[key]
		all = append(all, *e)
	}
	slices.SortFunc(all, func(a, b compliance.Edge) int {
		return cmp.Or(cmp.Compare(b.Allowed+b.Refused+b.Other, a.Allowed+a.Refused+a.Other),
			strings.Compare(a.Role+"\n"+a.Guard+"\n"+a.Route+"\n"+a.Protocol, b.Role+"\n"+b.Guard+"\n"+b.Route+"\n"+b.Protocol))
	})
	return all
}
