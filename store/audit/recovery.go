package audit

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A Loss is what the log owned up to when it was recovered: see
// [checkpoint.Recovery].
type Loss struct {
	Kept int64     // entries that were left, and that the log went on from
	To   int64     // the last entry that is known to be lost; at most Kept: none is known
	At   time.Time // when the log went on
}

// recovery is one in an evidence file, and its place among the notes there.
type recovery struct {
	text  string
	loss  Loss
	place int
}

// openRecovery returns the recovery that a note is, or nil.
func openRecovery(text string, v note.Verifier) *recovery {
	if !strings.Contains(text, "\nrecovery ") {
		return nil
	}
	r, is, err := checkpoint.OpenRecovery(text, v)
	if err != nil || !is {
		return nil
	}
	return &recovery{text: text, loss: Loss{Kept: r.Size, To: r.Lost, At: r.At}}
}

// foresee reads the evidence for recoveries, and goes back to where it began: a note
// that one of them abandoned stands before it. Each counts where it stands first, since
// anybody can write it down again.
func foresee(r io.ReadSeeker, v note.Verifier) ([]*recovery, error) {
	begin, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("reading evidence: %w", err)
	}
	var all []*recovery
	for e := newEvidence(r, v); ; e.read++ {
		text, err := e.block()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if found := openRecovery(text, v); found != nil && !holds(all, text) {
			found.place = e.read + 1
			all = append(all, found)
		}
	}
	_, err = r.Seek(begin, io.SeekStart)
	return all, err
}

func holds(all []*recovery, text string) bool {
	for _, r := range all {
		if r.text == text {
			return true
		}
	}
	return false
}

// abandoned says whether the note that was just read, of that size, is of a history
// that a later recovery owned up to have lost.
func (e *evidence) abandoned(size int64) (is bool) {
	for _, r := range e.recoveries {
		if e.read < r.place && size > r.loss.Kept {
			r.loss.To = max(r.loss.To, size)
			is = true
		}
	}
	return is
}

// reportLosses puts the recoveries that the verifier met into its report. Those in the
// evidence know more of what is lost; without one the store's are known.
func (v *verifier) reportLosses() {
	var all []*recovery
	if v.evidence != nil {
		all = v.evidence.recoveries
	}
	for _, r := range v.recovered {
		if !holds(all, r.text) {
			all = append(all, r)
		}
	}
	for _, r := range all {
		v.report.Losses = append(v.report.Losses, r.loss)
	}
}
