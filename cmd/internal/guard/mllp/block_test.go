package mllp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// blocks reads all blocks of a stream, and what ended it.
func blocks(r io.Reader, max int64) (all []string, err error) {
	reader := NewReader(r, max)
	for {
		if err := reader.Next(); err != nil {
			return all, err
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			return all, err
		}
		all = append(all, string(text))
	}
}

// What senders do that cannot be misread is tolerated, and everything else ends the
// stream before the block with it is through.
func TestBlocks(t *testing.T) {
	const ok = "\x0bMSH|a\rPID\r\x1c\r"
	for _, tt := range []struct {
		name, in string
		blocks   int
		err      error
	}{
		{"nothing", "", 0, io.EOF},
		{"one", ok, 1, io.EOF},
		{"two", ok + ok, 2, io.EOF},
		{"line ends around", "\r\n" + ok + "\r\n\r\n" + ok + "\n", 2, io.EOF},
		{"no last CR", "\x0bMSH|a\x1c", 1, io.EOF},
		{"empty", "\x0b\x1c\r", 1, io.EOF},
		{"as long as may be", "\x0b" + strings.Repeat("x", 100) + "\x1c\r", 1, io.EOF},
		{"other controls are content", "\x0bMSH\t\n\x1b$B\x0c\x7f\x1c\r", 1, io.EOF},

		{"no start", "MSH|a\x1c\r", 0, errBetween},
		{"text between", ok + "x" + ok, 1, errBetween},
		{"end between", ok + "\x1c\r", 1, errBetween},
		{"NUL between", ok + "\x00" + ok, 1, errBetween},
		{"line ends for ever", strings.Repeat("\r\n", 4<<10), 0, errEndless},
		{"start within", "\x0bMSH|a\r\x0bMSH|b\x1c\r", 0, errNested},
		{"NUL within", "\x0bMSH|a\x00\x1c\r", 0, errNUL},
		{"LF for CR", "\x0bMSH|a\x1c\n", 0, errBareEnd},
		{"end twice", "\x0bMSH|a\x1c\x1c\r", 0, errBareEnd},
		{"next start for CR", "\x0bMSH|a\x1c\x0bMSH|b\x1c\r", 0, errBareEnd},
		{"cut after start", "\x0b", 0, errTruncated},
		{"cut within", "\x0bMSH|a", 0, errTruncated},
		{"too long", "\x0b" + strings.Repeat("x", 101) + "\x1c\r", 0, &FrameError{"a block of more than 100 bytes"}},
		{"endless", "\x0b" + strings.Repeat("x", 1<<20), 0, &FrameError{"a block of more than 100 bytes"}},
		{"line lost", "", 0, iotest.ErrTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, chop := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
				var in io.Reader = strings.NewReader(tt.in)
				if errors.Is(tt.err, iotest.ErrTimeout) {
					in = iotest.ErrReader(iotest.ErrTimeout)
				}
				got, err := blocks(chop(in), 100)
				require.Equal(t, tt.err, err)
				require.Len(t, got, tt.blocks)
			}
		})
	}
}

// A second header is seen wherever the content is split, and nothing else is taken for
// one.
func TestWatch(t *testing.T) {
	for text, want := range map[string]bool{
		"MSH|a\rPID|1\r":        false,
		"MSH|a\rMSH|b":          true,
		"MSH|a\nMSH|b":          true,
		"MSH|a\r\nMSH|b":        true,
		"MSH|a\rPID\r\r\n\rBHS": true,
		"MSH|a\rFHS":            true,
		"MSH|a\rNTE|MSH|x\r":    false,
		"MSH|MSH\r MSH":         false,
		"MSH|a\rMS\rH":          false,
		"MSH|a\rM":              false,
		"":                      false,
		"\rMSH|":                true,
	} {
		for size := range len(text) + 1 {
			var w watch
			got, rest := false, text
			for len(rest) > 0 {
				n := min(size+1, len(rest))
				got = w.header([]byte(rest[:n])) || got
				rest = rest[n:]
			}
			require.Equal(t, want, got, "%q by %d", text, size+1)
		}
	}
}
