package stream

import (
	"bufio"
	"bytes"
	"io"
)

// MaxLine is how long a line of a stream, and the data of an event, may be for a
// [Reader], in bytes: twice what a CA sends.
const MaxLine = 128 << 10

// A Reader reads what [Hub.ServeSSE] writes, or who says to be one (WHATWG HTML, Section
// 9.2.6). It verifies nothing.
type Reader struct{ lines *bufio.Scanner }

// NewReader returns a Reader of a response's body.
func NewReader(body io.Reader) Reader {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4096), MaxLine)
	return Reader{lines}
}

// All yields the kind of each event and its data, which is good until the next, to the end
// of the stream or of what may be believed of it: see Err.
func (r Reader) All() func(yield func(kind string, data []byte) bool) {
	return func(yield func(string, []byte) bool) {
		var kind string
		var data []byte
		for r.lines.Scan() {
			line := r.lines.Bytes()
			if len(line) == 0 {
				if len(data) > 0 && !yield(kind, data) {
					return
				}
				kind, data = "", data[:0]
				continue
			}
			field, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(field) {
			case "event":
				kind = string(value)
			case "data":
				if len(data)+len(value) > MaxLine {
					return
				}
				data = append(data, value...)
			}
		}
	}
}

// Err returns why the stream could not be read on; nil if it ended, or an event was too
// long.
func (r Reader) Err() error { return r.lines.Err() }
