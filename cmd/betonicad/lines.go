package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/betonica/betonica/store/audit/plain"
)

// maxLine is how long a line is that is shown to people, in bytes.
const maxLine = 16 << 10

// tell writes a line for people. What names of files, errors and a database that somebody
// else may have written bring with them does nothing to the terminal, and begins no line.
func tell(w io.Writer, format string, args ...any) {
	fmt.Fprintln(w, shown(fmt.Sprintf(format, args...)))
}

// tellAll is tell for a text whose lines are our own.
func tellAll(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		tell(w, "%s", strings.TrimSuffix(line, "\n"))
	}
}

func shown(line string) string { return plain.Clean(strings.ReplaceAll(line, "\t", "    "), maxLine) }
