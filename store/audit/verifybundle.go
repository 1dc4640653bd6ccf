package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"golang.org/x/mod/sumdb/tlog"
)

// VerifyBundle reads a bundle and says whether its entries are those of the log
// whose key is trusted. If trusted is empty, the key that the bundle names is
// taken, and the report says so: then it proves that the bundle is whole, not
// whose it is. It needs none of the log's secrets, and bounded memory.
//
// If the bundle was changed the error is a [*TamperError], the first of the
// report's findings; another error means that it is no bundle, or could not be
// read. To put a bundle against the log itself, give the report's Note to
// [Verify] as evidence.
func VerifyBundle(r io.Reader, trusted string) (Report, error) {
	b := &bundle{lines: bufio.NewScanner(r)}
	b.lines.Buffer(nil, maxLine)
	if err := b.begin(trusted); err != nil {
		return Report{}, fmt.Errorf("verifying bundle: %w", err)
	}
	if err := b.read(); err != nil {
		return Report{}, fmt.Errorf("verifying bundle: %w", err)
	}
	b.conclude()
	return b.report, b.report.err()
}

// A bundle is one run of VerifyBundle.
type bundle struct {
	lines   *bufio.Scanner
	report  Report
	found   findings
	numbers *numbering
	joint   joint
	signed  bool   // the checkpoint is
	place   int64  // number of the next line
	broken  bool   // a leaf is not what was sealed: the tree need not be asked
	end     int64  // as the footer says; -1 without one
	unfit   string // why the hashes cannot be joined
}

// begin reads the header.
func (b *bundle) begin(trusted string) error {
	var h bundleHeader
	line, err := b.line()
	if err != nil {
		return err
	}
	if err := readLine(line, &h); err != nil || h.Bundle != bundleForm {
		return errors.New("not a bundle of this form: " + bundleForm)
	}
	if h.From < 1 || h.From > 1<<62 {
		return fmt.Errorf("it begins with entry %d", h.From)
	}
	b.report.Bundle, b.report.KeyTrusted = true, trusted != ""
	b.place, b.end, b.numbers = h.From, -1, newNumbering(h.From)
	key := trusted
	if !b.report.KeyTrusted {
		key = h.Key
	}
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		return err
	}
	b.report.Origin = v.Name()
	if h.Key != key {
		b.found.add(CheckpointEdited, h.From, h.From, "the bundle names the key %.200q, not the one that is trusted", h.Key)
	}
	if h.Checkpoint != "" {
		b.joint.head, err = checkpoint.Open(h.Checkpoint, v)
		b.signed = err == nil
		b.report.Note = h.Checkpoint
		if err != nil {
			b.found.add(CheckpointEdited, h.From, h.From, "the bundle's checkpoint is not signed by %s", key)
		}
	}
	if err := b.joint.left(h.From, h.Left); err != nil {
		b.unfit = err.Error()
	}
	return nil
}

// line returns the next line, and io.ErrUnexpectedEOF after the last.
func (b *bundle) line() ([]byte, error) {
	more := b.lines.Scan()
	if err := b.lines.Err(); err != nil { // first: what was scanned may be half a line
		return nil, err
	}
	if !more {
		return nil, io.ErrUnexpectedEOF
	}
	return b.lines.Bytes(), nil
}

// read reads entries up to the footer.
func (b *bundle) read() error {
	for {
		line, err := b.line()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte(`{"end":`)) {
			return b.finish(line)
		}
		b.entry(line)
	}
}

func (b *bundle) entry(line []byte) {
	seq := b.place
	b.place++
	hash, l, err := b.open(line)
	if err != nil {
		b.numbers.add(seq, seq)
		b.found.add(Edited, seq, seq, "%v", err)
		return
	}
	b.numbers.add(seq, l.seq)
	if b.unfit == "" {
		b.joint.push(0, hash)
	}
}

// open verifies a line by itself.
func (b *bundle) open(line []byte) (tlog.Hash, leaf, error) {
	var e struct{ Leaf, Key []byte } // the rest follows from them
	l, err := leaf{}, json.Unmarshal(line, &e)
	if err == nil {
		l, err = decodeLeaf(e.Leaf)
	}
	if err != nil {
		b.broken = true
		return tlog.Hash{}, leaf{}, err
	}
	want, err := newBundleEntry(e.Leaf, l, e.Key)
	if err != nil {
		b.broken = true
		return tlog.Hash{}, leaf{}, err
	}
	if text, err := marshal(want); err != nil || !bytes.Equal(text, line) {
		b.found.add(Edited, l.seq, l.seq, "the clear text is not what was sealed")
	}
	if len(e.Key) == 0 {
		b.report.Sealed++
	} else {
		b.report.Opened++
	}
	return tlog.RecordHash(e.Leaf), l, nil
}

// finish reads the footer, and that nothing is behind it.
func (b *bundle) finish(line []byte) error {
	var f bundleFooter
	if err := readLine(line, &f); err != nil || f.End < 0 {
		return nil // as if it were missing
	}
	b.end = f.End
	if b.unfit == "" && !b.broken {
		if err := b.joint.right(f.Right); err != nil {
			b.unfit = err.Error()
		}
	}
	if _, err := b.line(); err == nil {
		b.found.add(Inserted, f.End+1, f.End+1, "something stands behind the end of the bundle")
	} else if !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}

// conclude says what shows only at the end.
func (b *bundle) conclude() {
	first, last := b.numbers.first, b.numbers.last
	if last >= first {
		b.report.First, b.report.Last = first, last
	}
	b.numbering()
	switch {
	case b.end < 0:
		b.found.add(Truncated, last+1, last+1, "the end of the bundle is missing")
	case last < b.end:
		b.found.add(Truncated, last+1, b.end, "the bundle says that it ends there")
	case last > b.end:
		b.found.add(Inserted, b.end+1, last, "the bundle says that it ends before them")
	}
	if b.signed && b.numbers.clean() && !b.broken && b.end == last {
		b.weigh(first, last)
	}
	b.report.Findings = b.found.sorted()
}

// numbering adds what the numbers show; that what follows a missing line stands
// one line higher is no news.
func (b *bundle) numbering() {
	var f findings
	b.numbers.report(&f)
	for _, e := range f {
		if e.Kind != Renumbered || len(f) == 1 {
			b.found.add(e.Kind, e.From, e.To, "%s", e.Detail)
		}
	}
}

// weigh puts the tree against the signed checkpoint.
func (b *bundle) weigh(first, last int64) {
	size := b.joint.head.Size
	switch {
	case b.unfit != "":
		b.found.add(Rewritten, first, last, "%s", b.unfit)
	case size < first: // it says nothing of these entries
	case b.joint.at != b.joint.head.Hash:
		b.found.add(Rewritten, first, min(last, size), "they do not hash to the signed checkpoint")
	default:
		b.report.Checkpoints, b.report.Proved = 1, size
	}
}
