package h1

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Chunks is the [Body] of a message whose transfer coding is chunked (RFC 9112, Section
// 7.1). Extensions it drops.
type Chunks struct {
	// Trailer is what came behind the last chunk, once Read has returned io.EOF.
	Trailer http.Header

	in    *Reader
	phase phase
	left  int64 // of a chunk
}

type phase uint8

const (
	inSize    phase = iota // the line before a chunk
	inChunk                // left bytes of it
	inEnd                  // the line end after a chunk
	inTrailer              // after the last chunk
	inDone
)

// Chunked returns the body that comes next.
func Chunked(in *Reader) *Chunks { return &Chunks{in: in} }

// Left implements [Body].
func (c *Chunks) Left() int64 {
	if c.phase == inDone {
		return 0
	}
	return -1
}

// Read implements [Body]. It joins chunks that are there together.
func (c *Chunks) Read(p []byte) (n int, err error) {
	for {
		switch {
		case c.phase == inDone:
			return n, io.EOF
		case c.phase == inChunk:
			if n == len(p) || n > 0 && c.in.Buffered() == 0 {
				return n, nil
			}
			m, err := c.in.Read(p[n:min(int64(len(p)), int64(n)+c.left)])
			n += m
			if c.left -= int64(m); c.left == 0 {
				c.phase = inEnd
			}
			if err != nil {
				return n, short(err)
			}
			continue
		}
		more, err := c.advance()
		if err != nil || more && n > 0 {
			return n, err
		}
		if more {
			if err := c.in.Fill(); err != nil {
				return n, short(err)
			}
		}
	}
}

// advance takes what is between chunks, or reports that more of it has to come.
func (c *Chunks) advance() (more bool, err error) {
	b := c.in.buf[c.in.next:c.in.end]
	if c.phase == inTrailer {
		return c.trailers(b)
	}
	n := bytes.IndexByte(b, '\n')
	most := maxLine
	if c.phase == inEnd {
		most = 1
	}
	if n < 0 && len(b) <= most {
		return true, nil
	}
	if n < 0 || n > most {
		return false, BadChunk
	}
	line, _, ok := cutLine(string(b[:n+1]))
	if !ok {
		return false, BadChunk
	}
	c.in.next += n + 1
	if c.phase == inEnd {
		c.phase = inSize
		return false, nil
	}
	if c.left, ok = parseSize(line); !ok {
		return false, BadChunk
	}
	c.phase = inChunk
	if c.left == 0 {
		c.phase = inTrailer
	}
	return false, nil
}

// trailers takes the lines behind the last chunk when the empty one is there.
func (c *Chunks) trailers(b []byte) (more bool, err error) {
	n := 2
	if !bytes.HasPrefix(b, []byte("\r\n")) {
		n = headEnd(b, 0)
	}
	if (n < 0 || n > len(b)) && len(b) <= maxTrailers {
		if len(b) > 0 && b[0] == '\n' {
			return false, BadChunk
		}
		return true, nil
	}
	if n < 0 || n > maxTrailers {
		return false, BadChunk
	}
	h := http.Header{}
	if rest, err := new(Room).fields(string(b[:n]), h); err != nil || rest != "" {
		return false, BadChunk
	}
	for _, name := range [...]string{"Host", "Content-Length", "Transfer-Encoding"} {
		if h[name] != nil {
			return false, BadChunk
		}
	}
	c.in.next += n
	c.Trailer, c.phase = h, inDone
	return false, nil
}

// parseSize reads the line before a chunk: hex digits, and perhaps an extension.
func parseSize(line string) (int64, bool) {
	digits, _, _ := strings.Cut(line, ";")
	if digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 16, 64)
	return n, err == nil
}
