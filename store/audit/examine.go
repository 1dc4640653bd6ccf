package audit

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// pageRows is how many rows are read at a time. Two such pages are in memory.
const pageRows = 2 * TileWidth

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
	blank     bool // there is no keyring
	text      []byte
}

func newExaminer(o VerifyOptions) *examiner {
	return &examiner{opener: opener{ring: o.Keyring}, destroyed: o.Destroyed, blank: o.Keyring == nil}
}

func (x *examiner) examine(r Record) examined {
	e := examined{cell: cell{leaf: tlog.RecordHash(r.Leaf), row: r.Hash}}
	if e.body, e.err = decodeLeaf(r.Leaf); e.err != nil {
		e.seal = broken
	} else {
		e.seal = x.open(e.body)
	}
	return e
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

// A scan reads the rows of a Source in the order of their numbers, each examined. While
// one page is examined, on all cores, the next one is read: and by nobody else, since
// whoever takes the rows may ask the Source meanwhile, which is not for two at a time.
type scan struct {
	source    Source
	examiners []*examiner
	rows      []Record
	examined  []examined
	next      []Record
	err       error
}

func newScan(s Source, o VerifyOptions) *scan {
	c := &scan{source: s, examined: make([]examined, pageRows)}
	for range runtime.GOMAXPROCS(0) {
		c.examiners = append(c.examiners, newExaminer(o))
	}
	return c
}

// each hands over every row, examined, and returns the first error of fn or the Source.
func (c *scan) each(ctx context.Context, fn func(Record, *examined) error) error {
	if c.rows, c.err = c.source.Records(ctx, leastNumber, pageRows); c.err != nil {
		return c.err
	}
	for {
		c.page(ctx)
		for i := range c.rows {
			if err := fn(c.rows[i], &c.examined[i]); err != nil {
				return err
			}
		}
		if c.err != nil || len(c.rows) < pageRows {
			return c.err
		}
		c.rows = c.next
	}
}

// page examines the rows that are there, and reads those that follow them.
func (c *scan) page(ctx context.Context) {
	var wg sync.WaitGroup
	if n := len(c.rows); n == pageRows {
		wg.Go(func() { c.next, c.err = c.source.Records(ctx, c.rows[n-1].Seq, pageRows) })
	}
	const stretch = TileWidth / 8
	stretches := make(chan int, pageRows/stretch)
	for i := 0; i < len(c.rows); i += stretch {
		stretches <- i
	}
	close(stretches)
	for _, x := range c.examiners {
		wg.Go(func() {
			for from := range stretches {
				for i := from; i < min(from+stretch, len(c.rows)); i++ {
					c.examined[i] = x.examine(c.rows[i])
				}
			}
		})
	}
	wg.Wait()
}
