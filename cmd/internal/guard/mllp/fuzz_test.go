package mllp

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// splitter gives out a stream in pieces of the sizes in cuts, over and over.
type splitter struct {
	text, cuts []byte
	n          int
}

func (s *splitter) Read(p []byte) (int, error) {
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(s.text))
	if len(s.cuts) > 0 {
		n = min(n, int(s.cuts[s.n%len(s.cuts)])+1)
		s.n++
	}
	copy(p, s.text[:n])
	s.text = s.text[n:]
	return n, nil
}

var oneBlock = regexp.MustCompile(`\A[\r\n]{0,64}\x0b([^\x00\x0b\x1c]*)\x1c(\r|\z)`)

// byExpression is what a stream's blocks are, said in another way.
func byExpression(text []byte, max int) (all []string, ok bool) {
	for {
		m := oneBlock.FindSubmatchIndex(text)
		if m == nil || m[3]-m[2] > max {
			return all, len(text) <= maxBetween && len(bytes.Trim(text, "\r\n")) == 0
		}
		all = append(all, string(text[m[2]:m[3]]))
		text = text[m[1]:]
	}
}

// FuzzBlocks: a stream has the same blocks and the same end wherever it is split, and
// they are those that a regular expression finds.
func FuzzBlocks(f *testing.F) {
	f.Add([]byte("\x0bMSH|a\r\x1c\r\r\n\x0bMSH|b\x1c"), []byte{0, 3})
	f.Add([]byte("\x0bMSH|a\x0b\x1c\r"), []byte{1})
	f.Add([]byte("\x0b\x1c\x1c\r"), []byte{})
	f.Add([]byte("\x0b"+strings.Repeat("x", 300)+"\x1c\r"), []byte{255})
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		const max = 256
		want, wantErr := blocks(iotest.OneByteReader(bytes.NewReader(text)), max)
		got, err := blocks(&splitter{text: text, cuts: cuts}, max)
		require.Equal(t, want, got)
		require.Equal(t, wantErr, err)
		if _, isFrame := errors.AsType[*FrameError](err); !isFrame {
			require.Equal(t, io.EOF, err)
		}
		expression, ok := byExpression(text, max)
		require.Equal(t, expression, got)
		require.Equal(t, ok, err == io.EOF)
	})
}

// FuzzHeader: no header panics, what is taken has one reading, and every answer to it is
// a message that parses, that answers it, and that has no segment that is not ours.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(admit), uint8(1))
	f.Add([]byte(`MSH|^~\&|A|B|C|D|1||ADT|7|P|2.1`), uint8(2))
	f.Add([]byte("MSH2+0:|A|B|C"), uint8(3))
	f.Add([]byte("BHS|^~\\&|A\rMSH|^~\\&|"), uint8(4))
	f.Fuzz(func(t *testing.T, text []byte, which uint8) {
		h, err := ParseHeader(text, true)
		if err == nil && !h.Batch {
			require.Regexp(t, `\A[A-Za-z0-9_]{1,16}(\^[A-Za-z0-9_]{1,16})?\z`, h.Type())
			require.NotEmpty(t, h.ControlID)
		}
		content := h.acknowledge(verdict(which%7)+notAllowed, noon)
		if content == nil {
			return
		}
		a, notAnswer := parseAnswer(content)
		require.NoError(t, notAnswer)
		require.Equal(t, h.ControlID, a.to)
		require.False(t, a.positive())
		require.Equal(t, h.Separators, a.Separators)
		require.Equal(t, [2]string{h.Application, h.Facility}, [2]string{a.ReceivingApplication, a.ReceivingFacility})
		require.Equal(t, [2]string{h.ReceivingApplication, h.ReceivingFacility}, [2]string{a.Application, a.Facility})
		names := ""
		for line := range strings.SplitSeq(string(content), "\r") {
			names += line[:min(3, len(line))] + " "
			require.True(t, plain([]byte(line)))
		}
		require.Contains(t, []string{"MSH MSA  ", "MSH MSA ERR  "}, names)
		_, err = ParseHeader(content, true)
		require.NoError(t, err)
	})
}

// FuzzAnswer: no answer of a target panics, and what is taken for one has a code.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("MSH|^~\\&|||||||ACK|1\rSFT|x\rMSA|AA|7|ok\r"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parseAnswer(text)
		if err == nil && !a.Batch {
			require.Contains(t, string(text), "MSA"+string(a.Separators.Field)+a.code)
			require.True(t, plain([]byte(a.to)))
		}
	})
}
