package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/betonica/betonica/store/compliance"
)

// bars is a histogram.
type bars struct {
	Title string
	Words string // for whoever does not see it
	Bars  []column
}

// A column of it. Places are in a drawing of 400 by 150.
type column struct {
	Label, Count string
	N            int64
	X, Y, W, H   string
	Middle, Top  string
}

// ticks are what buckets are called below a bar.
var ticks = [...]string{"1 h", "6 h", "1 d", "7 d", "30 d", "90 d", "1 y", "more"}

func barsOf(title string, h compliance.Histogram) bars {
	b := bars{Title: title}
	most := int64(1)
	for _, n := range h {
		most = max(most, n)
	}
	var words []string
	for i, label := range compliance.Buckets() {
		n := h[i]
		height := 88 * float64(n) / float64(most)
		if n > 0 {
			height = max(height, 2)
		}
		x := 6 + 49*float64(i)
		b.Bars = append(b.Bars, column{
			Label: ticks[i], Count: brief(n), N: n, X: fmt.Sprintf("%.0f", x), W: "37", Y: fmt.Sprintf("%.1f", 116-height), H: fmt.Sprintf("%.1f", height),
			Middle: fmt.Sprintf("%.1f", x+18.5), Top: fmt.Sprintf("%.1f", 110-height),
		})
		if n > 0 {
			words = append(words, compliance.Number(n)+" up to "+label)
		}
	}
	b.Words = title + ": " + strings.Join(words, ", ")
	if len(words) == 0 {
		b.Words = title + ": none"
	}
	return b
}

// brief writes a number in at most four characters: 950, 12k, 1.2M.
func brief(n int64) string {
	switch {
	case n >= 10_000_000:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 1_000_000:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%dk", n/1000)
	case n >= 1000:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

// A share is one of a few, with how many there are.
type share struct {
	Name    string
	N       int64
	Percent string
	W       string // in a bar of 200
}

// shares lists the most of them first, ten at most.
func shares(counts map[string]int64) []share {
	var all []share
	sum, most := int64(0), int64(1)
	for name, n := range counts {
		all = append(all, share{Name: name, N: n})
		sum += n
		most = max(most, n)
	}
	slices.SortFunc(all, func(a, b share) int { return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Name, b.Name)) })
	all = all[:min(len(all), 10)]
	for i := range all {
		all[i].Percent = fmt.Sprintf("%.0f %%", 100*float64(all[i].N)/float64(max(sum, 1)))
		all[i].W = fmt.Sprintf("%.1f", max(1.5, 200*float64(all[i].N)/float64(most)))
	}
	return all
}
