package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A progressLine says on a terminal how far something is, on one line. Elsewhere it
// says nothing.
type progressLine struct {
	out  io.Writer // nil: it is no terminal
	last time.Time
}

func newProgress(out io.Writer) *progressLine {
	f, ok := out.(*os.File)
	if !ok {
		return &progressLine{}
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return &progressLine{}
	}
	return &progressLine{out: f}
}

const clearLine = "\r\x1b[K"

// say replaces the line.
func (p *progressLine) say(text string) {
	if p.out != nil {
		fmt.Fprint(p.out, clearLine+text)
	}
}

// show returns what replaces the line by how far what is done, at most five times a
// second.
func (p *progressLine) show(what string) func(done, total int64) {
	return func(done, total int64) {
		if p.out == nil || total == 0 || time.Since(p.last) < time.Second/5 {
			return
		}
		p.last = time.Now()
		p.say(fmt.Sprintf("%s: %d of %d MiB, %d %%", what, done>>20, total>>20, 100*done/total))
	}
}

// end clears the line.
func (p *progressLine) end() { p.say("") }
