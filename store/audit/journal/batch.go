package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A Batch is a stretch of a journal on its way to the CA: one line of JSON, behind it the
// frames of its entries, and nothing more. A batch without entries asks what the CA has.
type Batch struct {
	Form       string      `json:"batch"`
	Statement  Statement   `json:"statement"`
	First      int64       `json:"first"` // entries, both included; Last is First-1 if there are none
	Last       int64       `json:"last"`
	Checkpoint string      `json:"checkpoint"` // the newest, signed, of at least Last entries
	Proof      []tlog.Hash `json:"proof"`      // that the log of Last entries is its beginning
	Keys       []SealedKey `json:"keys"`       // of the entries, for the CA

	Frames []byte         `json:"-"`
	Rows   []audit.Record `json:"-"` // what Frames holds
}

// A SealedKey is a data key of the journal, as [audit.DataKey.SealFor] returned it.
type SealedKey struct {
	ID     []byte `json:"id"`
	Sealed []byte `json:"sealed"`
}

const (
	batchForm     = "betonica-journal-batch/1"
	maxBatchBytes = 1 << 20   // of the frames, before the last
	maxBatchHead  = 128 << 10 // bytes of the line
	maxBatchKeys  = 16

	// MaxBatch bounds a batch, in bytes.
	MaxBatch = maxBatchHead + maxBatchBytes + audit.FrameHead + audit.MaxLeaf
)

// Ends says what of a journal is known to be at the other end: [Journal.Batch] goes on
// from there.
type Ends struct {
	Next   int64  `json:"next"`   // number of the entry that is wanted
	Reader []byte `json:"reader"` // to which data keys are to be sealed; see [audit.Keys.ReaderKey]
}

// Batch returns the entries from e.Next on that the newest checkpoint covers, as many as
// go into one batch, with all that the CA needs to see that they are the journal's. It has
// none if there are none. Without e.Reader it has none either: it asks.
//
// It returns [ErrDamaged] if e.Next is an entry that the journal does not have: the CA
// has more than the journal, which was set back.
func (j *Journal) Batch(ctx context.Context, e Ends) (*Batch, error) {
	b := &Batch{Form: batchForm, First: max(e.Next, 1), Last: max(e.Next, 1) - 1, Proof: []tlog.Hash{}, Keys: []SealedKey{}}
	var err error
	if b.Statement, err = ReadStatement(j.cfg.Dir); err != nil {
		return nil, err
	}
	s := j.signed.Load()
	if s == nil {
		return b, nil
	}
	b.Checkpoint = s.Note
	if len(e.Reader) == 0 || b.First == s.Size+1 {
		b.First, b.Last = s.Size+1, s.Size
		return b, nil
	}
	if b.First > s.Size+1 {
		return nil, damaged("the CA has %d entries, and %d were signed for: an older copy of the journal was put back", b.First-1, s.Size)
	}
	j.shipping.Lock()
	defer j.shipping.Unlock()
	r, err := j.upTo(s.Size)
	if err != nil {
		return nil, err
	}
	if err := b.fill(ctx, r, s.Size); err != nil {
		return nil, err
	}
	if b.Last < s.Size {
		if b.Proof, err = audit.ProveConsistency(ctx, r, b.Last, s.Size); err != nil {
			return nil, err
		}
	}
	return b, j.sealKeys(b, e.Reader)
}

// upTo returns the reader of the entries up to a checkpoint, which is kept for the batches
// to come: it knows where the last one ended.
func (j *Journal) upTo(size int64) (*Reader, error) {
	if r := j.sending; r != nil && r.size == size {
		return r, nil
	}
	if j.sending != nil {
		j.sending.Close()
	}
	list, err := segments(j.cfg.Dir)
	if err != nil {
		return nil, err
	}
	j.sending = &Reader{dir: j.cfg.Dir, origin: j.origin, list: list, size: size}
	return j.sending, nil
}

// fill puts entries into a batch, up to the last that is signed for.
func (b *Batch) fill(ctx context.Context, r *Reader, last int64) error {
	for b.Last < last && len(b.Frames) < maxBatchBytes {
		page, err := r.Records(ctx, b.Last, 1)
		if err != nil {
			return err
		}
		if len(page) == 0 || page[0].Seq != b.Last+1 || tlog.RecordHash(page[0].Leaf) != page[0].Hash {
			return damaged("entry %d is not there, or not as it was written", b.Last+1)
		}
		b.Frames = audit.AppendFrame(b.Frames, page[0].Hash, page[0].Leaf)
		b.Rows = append(b.Rows, page[0])
		b.Last++
	}
	return nil
}

// sealKeys adds the keys of a batch's entries, for the reader.
func (j *Journal) sealKeys(b *Batch, reader []byte) error {
	all, err := readDataKeys(j.cfg.Dir, j.keys)
	if err != nil {
		return err
	}
	for _, id := range b.keyIDs() {
		i := slices.IndexFunc(all, func(d audit.DataKey) bool { return d.ID == id })
		if i < 0 {
			continue // destroyed: its entries stay sealed
		}
		sealed, err := all[i].SealFor(reader)
		if err != nil {
			return err
		}
		b.Keys = append(b.Keys, SealedKey{id[:], sealed})
	}
	return nil
}

// keyIDs are the data keys of a batch's entries, each once.
func (b *Batch) keyIDs() (all []audit.KeyID) {
	var none *audit.Keyring
	for _, row := range b.Rows {
		if e, err := none.Open(row.Leaf); errors.Is(err, audit.ErrNoKey) && !slices.Contains(all, e.KeyID) {
			all = append(all, e.KeyID)
		}
	}
	return all
}

// Encode returns the batch as ReadBatch reads it.
func (b *Batch) Encode() ([]byte, error) {
	line, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), b.Frames...), nil
}

// ReadBatch reads a batch, in memory that [MaxBatch] bounds, and checks what it says of
// itself: numbers without gaps, leaves that hash to what stands beside them. Whose it is,
// and whether it is the journal's, is for [Batch.Extend] to say.
func ReadBatch(r io.Reader) (*Batch, error) {
	in := bufio.NewReaderSize(io.LimitReader(r, MaxBatch+1), maxBatchHead)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("journal: the head of a batch: %w", short(err))
	}
	var b Batch
	if err := json.Unmarshal(line, &b); err != nil {
		return nil, fmt.Errorf("journal: the head of a batch: %w", err)
	}
	if b.Form != batchForm || b.First < 1 || b.First > 1<<62 || b.Last < b.First-1 || b.Last-b.First > maxBatchBytes || len(b.Proof) > 128 || len(b.Keys) > maxBatchKeys || len(b.Checkpoint) > checkpoint.MaxLen {
		return nil, errors.New("journal: not a batch of the form " + batchForm)
	}
	var frames bytes.Buffer
	body := io.TeeReader(in, &frames)
	for seq := b.First; seq <= b.Last; seq++ {
		row, err := audit.ReadFrame(body, seq)
		if err != nil {
			return nil, fmt.Errorf("journal: entry %d of a batch: %w", seq, short(err))
		}
		if n, err := audit.Number(row.Leaf); err != nil || n != seq || tlog.RecordHash(row.Leaf) != row.Hash {
			return nil, fmt.Errorf("journal: entry %d of a batch is not what it says", seq)
		}
		b.Rows = append(b.Rows, row)
	}
	b.Frames = frames.Bytes()
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.New("journal: something stands behind a batch")
	}
	return &b, nil
}

func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A ForkError reports that a journal is of another history than the one that was received
// of it: it was set back, or written anew.
type ForkError struct {
	Origin string
	Detail string
}

func (e *ForkError) Error() string { return "journal " + e.Origin + ": " + e.Detail }

// Extend adds a batch to what was received before: f, and the newest checkpoint that came
// with it, empty if none did. It returns the checkpoint to keep: the new one, or the old
// one while not all of its entries have come. The caller has seen to it that the statement
// is the machine's, and that b.First is the next entry.
//
// It returns a [*ForkError] if the two do not go together.
func (b *Batch) Extend(f *audit.Frontier, newest string) (keep string, err error) {
	v, err := checkpoint.NewVerifier(b.Statement.Key)
	if err != nil {
		return newest, err
	}
	fork := func(format string, args ...any) (string, error) {
		return newest, &ForkError{b.Statement.Origin, fmt.Sprintf(format, args...)}
	}
	var old, now checkpoint.Checkpoint
	if newest != "" {
		if old, err = checkpoint.Open(newest, v); err != nil {
			return fork("it has another key than before: %v", err)
		}
	}
	if b.Checkpoint != "" {
		if now, err = checkpoint.Open(b.Checkpoint, v); err != nil {
			return newest, err
		}
	}
	if now.Size < old.Size {
		return fork("it signed for %d entries before, and now for %d", old.Size, now.Size)
	}
	if now.Size == old.Size && now.Hash != old.Hash {
		return fork("it signed for %d entries in two ways", old.Size)
	}
	for _, row := range b.Rows {
		f.Append(row.Hash)
		if f.Size() == old.Size && f.Hash() != old.Hash {
			return fork("the entries up to %d are not those that it signed for", old.Size)
		}
	}
	if len(b.Rows) == 0 { // it asks
		if now.Size == f.Size() && now.Size > 0 && now.Hash != f.Hash() {
			return fork("the entries up to %d are not those that it signed for", now.Size)
		}
		return newest, nil
	}
	if now.Size < f.Size() {
		return newest, errors.New("journal: a batch without a checkpoint that covers it")
	}
	if now.Size == f.Size() && now.Hash != f.Hash() || now.Size > f.Size() && tlog.CheckTree(b.Proof, now.Size, now.Hash, f.Size(), f.Hash()) != nil {
		return fork("the entries up to %d are not those of its checkpoint of %d", f.Size(), now.Size)
	}
	if f.Size() < old.Size {
		return newest, nil
	}
	return b.Checkpoint, nil
}
