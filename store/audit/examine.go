package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/inorder"
)

// pageRows is how many rows are read at a time. [inorder.Line] says how many such pages are
// in memory.
const pageRows = TileWidth

// A seal says what opening a leaf showed.
type seal int

const (
	unopened seal = iota // no keyring, or the data key was destroyed
	strange              // under a data key that the log does not have
	opened               // the log sealed it, under that number
	broken               // the log did not
)

// A cell is what remains of a row once it was judged by itself.
type cell struct {
	leaf tlog.Hash // of the leaf as it is
	row  tlog.Hash // the hash column
	seal seal
}

// An examined row is one that was judged by itself.
type examined struct {
	cell
	body leaf  // decoded
	err  error // why it does not decode
}

// An examiner judges rows by themselves, which takes most of the time, and knows nothing
// of other rows: there is one for each core. It reads no Source.
type examiner struct {
	opener
	destroyed []KeyID
	blank     bool   // there is no keyring
	text      []byte // scratch
}

func newExaminer(o VerifyOptions) *examiner {
	return &examiner{opener: opener{ring: o.Keyring}, destroyed: o.Destroyed, blank: o.Keyring == nil}
}

// examine judges a row, into e, which may have held another.
func (x *examiner) examine(r Record, e *examined) {
	e.leaf, e.row = x.hash(r.Leaf), r.Hash
	if e.err = e.body.decode(r.Leaf); e.err != nil {
		e.seal = broken
	} else {
		e.seal = x.open(e.body)
	}
}

// hash is [tlog.RecordHash], which allocates.
func (x *examiner) hash(leaf []byte) tlog.Hash {
	x.text = append(append(x.text[:0], 0), leaf...)
	return sha256.Sum256(x.text)
}

// open says whether the log sealed l.
func (x *examiner) open(l leaf) seal {
	key, err := x.entryKey(l)
	if errors.Is(err, ErrNoKey) {
		if x.blank || slices.Contains(x.destroyed, l.keyID) {
			return unopened
		}
		return strange
	}
	if err != nil {
		return broken
	}
	if x.text, err = key.open(x.text[:0], l); err != nil {
		return broken
	}
	return opened
}

// each hands over every row of the Source in the order of their numbers, examined, and
// returns the first error of fn or the Source. Pages are examined on all cores; the Source
// is asked, and fn called, by this goroutine alone.
func (v *verifier) each(ctx context.Context, fn func(Record, *examined) error) error {
	after := int64(leastNumber)
	return inorder.Line[page]{
		Read: func(ctx context.Context, p *page) (more bool, err error) {
			if p.rows, err = v.source.Records(ctx, after, pageRows); len(p.rows) > 0 {
				after = p.rows[len(p.rows)-1].Seq
			}
			return len(p.rows) == pageRows, err
		},
		Worker: func() func(*page) { return newExaminer(v.options).page },
		Take: func(p *page) error {
			for i := range p.rows {
				if err := fn(p.rows[i], &p.examined[i]); err != nil {
					return err
				}
			}
			return nil
		},
	}.Run(ctx)
}

// A page is rows that are examined together.
type page struct {
	rows     []Record
	examined []examined
}

func (x *examiner) page(p *page) {
	if p.examined == nil {
		p.examined = make([]examined, pageRows)
	}
	for i := range p.rows {
		x.examine(p.rows[i], &p.examined[i])
	}
}
