package audit

import (
	"cmp"
	"math"
	"slices"
)

// A numbering compares the numbers that rows bear with the numbers under which
// their entries were sealed. From the two it tells deleting from renumbering
// from exchanging, in memory that does not grow with the log: it keeps only
// where they part, in spans.
type numbering struct {
	first int64 // the number that the first row should bear
	next  int64 // the row that comes next if none is missing
	last  int64 // the highest entry seen
	gaps  []span
	moved []span // rows that hold another entry
	full  bool   // there were more than maxSpans: the rows are shuffled
}

// maxSpans bounds what a numbering keeps.
const maxSpans = 1000

// A span says that n rows from row hold the n entries from entry. Extra rows
// have a number that another row has, or that none should have.
type span struct {
	row, entry, n int64
	extra         bool
}

func newNumbering(first int64) *numbering {
	return &numbering{first: first, next: first, last: first - 1}
}

// clean says whether every row holds its own entry.
func (n *numbering) clean() bool { return len(n.gaps) == 0 && len(n.moved) == 0 }

// add notes that the row of that number holds that entry. Rows ascend; one that
// does not is a second one of its number, or below the first.
func (n *numbering) add(row, entry int64) {
	n.last = max(n.last, entry)
	if row > n.next {
		n.keep(&n.gaps, span{n.next, n.next, row - n.next, false})
	}
	if row != entry || row < n.next {
		n.keep(&n.moved, span{row, entry, 1, row < n.next})
	}
	n.next = max(n.next, row+1)
}

func (n *numbering) keep(spans *[]span, s span) {
	if len(*spans) > 0 {
		last := &(*spans)[len(*spans)-1]
		if last.extra == s.extra && last.row+last.n == s.row && last.entry+last.n == s.entry {
			last.n += s.n
			return
		}
	}
	if len(*spans) == maxSpans {
		n.full = true
		return
	}
	*spans = append(*spans, s)
}

// report adds what the numbers show. Entries after the last one seen are no
// matter of numbering: see Truncated.
func (n *numbering) report(f *findings) {
	if n.full && len(n.moved) > 0 { // too much is unknown
		f.add(Reordered, min(n.moved[0].row, n.moved[0].entry), n.last, "more than %d rows or runs of rows stand elsewhere or are missing", maxSpans)
		return
	}
	var unfilled, entries []interval // numbers under which their own entry does not stand; entries that stand elsewhere
	for _, s := range n.moved {
		if !s.extra {
			unfilled = append(unfilled, interval{s.row, s.row + s.n})
		}
		entries = append(entries, interval{s.entry, s.entry + s.n})
	}
	for _, s := range n.gaps {
		unfilled = append(unfilled, interval{s.row, s.row + s.n})
	}
	for _, x := range subtract(unfilled, entries) {
		if x.from <= n.last {
			f.add(Deleted, x.from, min(x.to-1, n.last), "no row holds them")
		}
	}
	unfilled = append(unfilled, interval{1, n.first}, interval{n.next, math.MaxInt64}) // where no row is, none is doubled
	for _, x := range append(subtract(entries, unfilled), overlaps(entries)...) {
		f.add(Inserted, x.from, x.to-1, "more than one row claims to hold them")
	}
	n.reportMoved(f)
}

// reportMoved adds the entries that stand under another number, in the smallest
// ranges outside of which nothing moved.
func (n *numbering) reportMoved(f *findings) {
	moved := slices.DeleteFunc(slices.Clone(n.moved), func(s span) bool { return s.row == s.entry })
	for i := 0; i < len(moved); {
		var rows, entries []interval
		first, top := moved[i], int64(0)
		for done := false; i < len(moved) && !done; i++ {
			s := moved[i]
			rows = append(rows, interval{s.row, s.row + s.n})
			entries = append(entries, interval{s.entry, s.entry + s.n})
			top = max(top, s.entry+s.n)
			done = top <= s.row+s.n
		}
		entries, rows = union(entries), union(rows)
		kind := Renumbered
		if slices.Equal(rows, entries) {
			kind = Reordered
		}
		f.add(kind, entries[0].from, entries[len(entries)-1].to-1, "row %d holds entry %d", first.row, first.entry)
	}
}

// An interval is the numbers from from to to-1.
type interval struct{ from, to int64 }

// union sorts and joins.
func union(list []interval) []interval {
	list = slices.SortedFunc(slices.Values(list), func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	var out []interval
	for _, x := range list {
		if n := len(out); n > 0 && x.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, x.to)
			continue
		}
		out = append(out, x)
	}
	return out
}

// subtract returns what of a is not in b.
func subtract(a, b []interval) []interval {
	var out []interval
	b = union(b)
	for _, x := range union(a) {
		for _, y := range b {
			if y.to <= x.from || y.from >= x.to {
				continue
			}
			if y.from > x.from {
				out = append(out, interval{x.from, y.from})
			}
			x.from = min(y.to, x.to)
		}
		if x.from < x.to {
			out = append(out, x)
		}
	}
	return out
}

// overlaps returns what is in list twice.
func overlaps(list []interval) []interval {
	list = slices.SortedFunc(slices.Values(list), func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	var out []interval
	top := int64(0)
	for i, x := range list {
		if i > 0 && x.from < top {
			out = append(out, interval{x.from, min(x.to, top)})
		}
		top = max(top, x.to)
	}
	return union(out)
}
