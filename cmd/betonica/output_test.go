package main

import (
	"bytes"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func numbers(n int, end error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if end != nil {
			yield(0, end)
		}
	}
}

// A table of any length is written in pages, so that it takes no memory, and its
// columns never become narrower.
func TestTablePages(t *testing.T) {
	var out bytes.Buffer
	columns := []column[int]{{"N", func(n int) string { return strings.Repeat("x", n%7) }}, {"END", func(int) string { return "|" }}}
	require.NoError(t, writeTable(&out, columns, numbers(2500, nil)))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2501)
	for _, line := range lines[1:] {
		require.Equal(t, 8, strings.IndexByte(line, '|'))
	}
	require.Equal(t, "-       |", lines[1])
}

// --limit ends a list early, and an error ends it late.
func TestAtMost(t *testing.T) {
	count := func(items iter.Seq2[int, error]) (n int, err error) {
		for _, err = range items {
			if err == nil {
				n++
			}
		}
		return n, err
	}
	broken := errors.New("broken")
	for _, tt := range []struct {
		limit, want int
		err         error
	}{{0, 5, broken}, {3, 3, nil}, {5, 5, nil}, {6, 5, broken}} {
		n, err := count(atMost(tt.limit, numbers(5, broken)))
		require.Equal(t, tt.want, n)
		require.Equal(t, tt.err, err)
	}
}

func TestRelative(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", 400 * time.Millisecond: "now", 59 * time.Second: "in 59 s", -90 * time.Minute: "90 min ago",
		13 * time.Hour: "in 13 h", -50 * time.Hour: "2 d ago", 10 * 365 * 24 * time.Hour: "in 10 y",
	} {
		require.Equal(t, want, relative(noon.Add(d), noon))
	}
}
