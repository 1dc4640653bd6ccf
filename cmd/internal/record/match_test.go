package record

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func seq(all ...Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Both ends' records find each other whatever their order; a payload that was another at
// one end is a mismatch, and what only one end has is named.
func TestMatch(t *testing.T) {
	b := Unbound()
	made := func(number, request, response string) Record {
		r := example()
		r.Link, r.Number, r.Request, r.Response = b.Link, number, Digest{}, Digest{}
		if request != "" {
			h := b.Digest(number, ToTarget)
			h.Write([]byte(request))
			r.Request = Digest(h.Sum(nil))
		}
		if response != "" {
			h := b.Digest(number, FromTarget)
			h.Write([]byte(response))
			r.Response = Digest(h.Sum(nil))
		}
		return r
	}
	open := Record{Kind: Connection, Link: b.Link, Number: "0"}
	underway := made("1", "", "")
	underway.End = time.Time{}
	unbound := made("9", "x", "x")
	unbound.Link = ""

	found := map[Verdict][]string{}
	for p, err := range Match(
		seq(open, underway, made("1", "a", "b"), made("2", "a", "b"), made("3", "a", ""), made("4", "a", "b"), made("5", "a", "b"), unbound, made("7", "x", "y"), made("7", "v", "w")),
		seq(made("5", "", ""), made("3", "a", "b"), made("2", "a", "c"), open, made("1", "a", "b"), made("6", "a", "b"), made("7", "v", "w"), made("7", "x", "y")),
	) {
		require.NoError(t, err)
		found[p.Verdict] = append(found[p.Verdict], p.Number)
		require.Equal(t, p.Verdict != OnlyB, p.A != nil)
		require.Equal(t, p.Verdict != OnlyA, p.B != nil)
		require.Equal(t, b.Link, p.Link)
	}
	require.Equal(t, map[Verdict][]string{
		Matched: {"3", "1", "7", "7"}, Mismatched: {"2"}, Undigested: {"5"}, OnlyA: {"4"}, OnlyB: {"6"},
	}, found)
}

// What cannot be read is no match.
func TestMatchError(t *testing.T) {
	bad := func(yield func(Record, error) bool) { yield(Record{}, errors.New("torn")) }
	for _, pairs := range []iter.Seq2[Pair, error]{Match(bad, seq()), Match(seq(), bad)} {
		var last error
		for _, err := range pairs {
			last = err
		}
		require.EqualError(t, last, "torn")
	}
}
