package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"golang.org/x/mod/sumdb/note"
)

// EvidenceNote returns signed as it is appended to an evidence file. A torn
// write before it, the end of a crash, does not spoil it.
func EvidenceNote(signed string) []byte { return []byte("\n" + signed) }

// A head is a signed checkpoint, opened.
type head struct {
	checkpoint.Checkpoint
	note string
}

// evidence reads an evidence file, one note at a time. A line that is the log's
// origin begins a note, whatever stands before it; an empty line after the
// signatures ends it, whatever comes behind.
type evidence struct {
	lines    *bufio.Reader
	verifier note.Verifier
	line     string // read ahead
	unsigned int    // notes skipped because the log's key did not sign them
	read     int    // notes read so far, whoever signed them

	recoveries []*recovery // that are known to come, or have come
}

func newEvidence(r io.Reader, v note.Verifier) *evidence {
	return &evidence{lines: bufio.NewReaderSize(r, checkpoint.MaxLen), verifier: v}
}

// next returns the next note that the log signed, and io.EOF after the last.
func (e *evidence) next() (head, error) {
	for {
		text, err := e.block()
		if err != nil {
			return head{}, err
		}
		e.read++
		c, err := checkpoint.Open(text, e.verifier)
		switch {
		case err != nil:
			e.unsigned++
		case !e.abandoned(c.Size):
			return head{c, text}, nil
		}
	}
}

// block returns the text of what may be the next note.
func (e *evidence) block() (string, error) {
	var text strings.Builder
	for signed := false; ; {
		line := e.line
		e.line = ""
		if line == "" {
			b, err := e.lines.ReadSlice('\n')
			if len(b) == 0 && err == io.EOF {
				break
			}
			if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
				return "", fmt.Errorf("reading evidence: %w", err)
			}
			line = string(b)
		}
		if signed && line == "\n" {
			break
		}
		signed = strings.HasPrefix(line, "— ")
		if strings.TrimSuffix(line, "\n") == e.verifier.Name() && strings.TrimSpace(text.String()) != "" {
			e.line = line
			break
		}
		if text.Len() <= checkpoint.MaxLen { // more is no note anyway
			text.WriteString(line)
		}
	}
	if strings.TrimSpace(text.String()) == "" {
		return "", io.EOF
	}
	return strings.Trim(text.String(), "\n") + "\n", nil
}
