package report

import (
	"fmt"
	"math"

	"github.com/betonica/betonica/store/compliance"
)

// order is how states are drawn and listed: first what supports, last what does not.
var order = [...]compliance.State{compliance.Pass, compliance.Attested, compliance.NotApplicable, compliance.NotTested, compliance.Fail}

// A segment is a part of a bar or a ring, of one state.
type segment struct {
	State  compliance.State
	N      int
	X, W   string // in a bar of 1000
	Dash   string // of a ring: its length, and the rest
	Offset string
}

// A tile is a safeguard at a glance.
type tile struct {
	compliance.Sentence
	Title    string
	Met, All int // checks that support it, and those that could
	Ring     []segment
	States   []segment
}

const radius = 30

func tileOf(s compliance.Sentence) tile {
	t := tile{Sentence: s, Title: s.Safeguard.Title(), Met: s.Counts[compliance.Pass] + s.Counts[compliance.Attested]}
	t.All = t.Met + s.Counts[compliance.Fail] + s.Counts[compliance.NotTested]
	all := t.All + s.Counts[compliance.NotApplicable]
	around, at := 2*math.Pi*radius, 0.0
	for _, state := range order {
		n := s.Counts[state]
		if n == 0 {
			continue
		}
		length := around * float64(n) / float64(all)
		gap := 2.0
		if n == all {
			gap = 0
		}
		one := segment{State: state, N: n, Dash: fmt.Sprintf("%.2f %.2f", max(length-gap, 1), around), Offset: fmt.Sprintf("%.2f", -at)}
		t.Ring, t.States = append(t.Ring, one), append(t.States, one)
		at += length
	}
	return t
}

// barOf is all checks in one bar.
func barOf(counts map[compliance.State]int) []segment {
	all := 0
	for _, n := range counts {
		all += n
	}
	var bar []segment
	at := 0.0
	for _, state := range order {
		n := counts[state]
		if n == 0 {
			continue
		}
		w := 1000 * float64(n) / float64(all)
		bar = append(bar, segment{State: state, N: n, X: fmt.Sprintf("%.1f", at), W: fmt.Sprintf("%.1f", max(w-3, 1))})
		at += w
	}
	return bar
}
