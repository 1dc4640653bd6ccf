package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A progressLine is one line of a terminal that is written again and again; where
// there is no terminal it is nothing. Only texts of our own may be shown.
type progressLine struct {
	to    io.Writer // nil: no terminal
	shown string
}

// newProgressLine returns a line of w, past what keeps control characters from it.
func newProgressLine(w io.Writer) *progressLine {
	if clean, ok := w.(*cleanWriter); ok {
		w = clean.to
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progressLine{to: f}
	}
	return &progressLine{}
}

func (l *progressLine) show(text string) {
	if l.to != nil && text != l.shown {
		fmt.Fprint(l.to, "\r"+text+strings.Repeat(" ", max(0, len(l.shown)-len(text))))
		l.shown = text
	}
}

func (l *progressLine) clear() {
	if l.shown != "" {
		fmt.Fprint(l.to, "\r"+strings.Repeat(" ", len(l.shown))+"\r")
		l.shown = ""
	}
}

// bar draws how much of total is done, both in whatever there is most of to count: lines,
// or bytes. It is never more than full.
func bar(done, total int64) string {
	const width = 30
	filled := 0
	if total > 0 {
		filled = int(width * min(1, float64(done)/float64(total)))
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}
