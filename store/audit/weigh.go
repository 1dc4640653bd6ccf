package audit

import (
	"context"
	"errors"
)

// common is how far one series of checkpoints goes together with the entries.
// The store's are one series; the evidence's are, until they go back.
type common struct {
	name         string
	last, before int64 // sizes of its last two that agree
	parted       bool  // it went another way, and that was said
}

// agree notes that the checkpoint of that size agrees.
func (c *common) agree(size int64) {
	if size > c.last {
		c.before, c.last = c.last, size
	}
	c.parted = false
}

// from is the first entry that may differ if the checkpoint of that size does.
func (c *common) from(size int64) int64 {
	if c.last < size {
		return c.last + 1
	}
	return c.before + 1
}

// wrong is a signed checkpoint that does not agree with the entries.
type wrong struct {
	from, size int64 // the entries among which the change is
	series     *common
}

// weigh puts the tree of that size against what was signed for it.
func (v *verifier) weigh(ctx context.Context, size int64) error {
	for v.storedHead != nil && v.storedHead.Size <= size { // less where entries are lost
		v.inStore = v.storedHead.Size
		if v.judge(*v.storedHead, &v.ofStore) {
			v.report.Checkpoints++
			if r := openRecovery(v.storedHead.note, v.options.Verifier); r != nil {
				v.recovered = append(v.recovered, r)
			}
		}
		v.storedHead = nil
		if err := v.readHeads(ctx); err != nil {
			return err
		}
	}
	for v.witness != nil && v.witness.Size <= size {
		if err := v.weighWitness(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// weighWitness puts the next note of the evidence against the log. Notes rise
// in size; one that does not was signed after an older database was put back,
// and is looked up by itself.
func (v *verifier) weighWitness(ctx context.Context, size int64) error {
	h := *v.witness
	v.witness = nil
	if h.Size < v.lastFile { // another series
		v.ofFile = common{name: v.ofFile.name}
	}
	v.lastFile = h.Size
	agrees, err := false, error(nil)
	if h.Size == size {
		agrees = v.judge(h, &v.ofFile)
	} else if agrees, err = v.judgeLate(ctx, h); err != nil {
		return err
	}
	if agrees {
		v.report.Evidence++
	}
	if err := v.lookUp(ctx, h.Size); err != nil {
		return err
	}
	return v.readHeads(ctx)
}

// lookUp notes whether the store lacks a checkpoint of the evidence.
func (v *verifier) lookUp(ctx context.Context, size int64) error {
	if size == v.inStore {
		return nil
	}
	rows, err := v.source.Checkpoints(ctx, size-1, 1)
	if err != nil {
		return err
	}
	if len(rows) == 0 || rows[0].Size != size {
		v.missing.add(size)
	}
	return nil
}

// judge says whether a checkpoint of the present size agrees. If it agrees with
// what is kept rather than with the leaves, the leaves were changed.
func (v *verifier) judge(h head, series *common) bool {
	v.signed = max(v.signed, h.Size)
	if v.lost {
		return false
	}
	switch {
	case h.Hash == v.leaves.Hash():
		v.resolve(leavesRight)
	case v.kept != nil && h.Hash == v.kept.Hash():
		v.resolve(keptRight)
		v.leaves = *v.kept
	default:
		v.disagree(h.Size, series)
		return false
	}
	v.kept = nil
	if v.bad != nil {
		v.found.add(Forked, v.bad.from, v.bad.size, "%s is of another history, and a later one of this", v.bad.series.name)
		v.bad.series.parted, v.bad = true, nil
	}
	series.agree(h.Size)
	v.report.Proved, v.report.Note = h.Size, h.note
	return true
}

func (v *verifier) disagree(size int64, series *common) {
	switch {
	case series.parted:
	case v.report.Note != "" && size == v.report.Proved:
		v.found.add(Forked, series.from(size), size, "%s is of another history than one of the same size", series.name)
		series.parted = true
	case v.bad == nil:
		v.bad = &wrong{series.from(size), size, series}
	}
}

// judgeLate judges a note of the evidence for a size that has gone by; it reads
// the tree of that size from the store.
func (v *verifier) judgeLate(ctx context.Context, h head) (bool, error) {
	if v.lost {
		return false, nil
	}
	root, err := Root(ctx, v.source, h.Size)
	if errors.Is(err, errIncomplete) {
		return false, nil // and named elsewhere
	}
	if err != nil {
		return false, err
	}
	if root == h.Hash {
		v.ofFile.agree(h.Size)
		return true, nil
	}
	kind := Forked
	if len(v.found)+len(v.suspects) > 0 { // or that is why
		kind = Rewritten
	}
	v.found.add(kind, v.ofFile.from(h.Size), h.Size, "%s, signed after one of more entries, is of another history", v.ofFile.name)
	return false, nil
}

// weighRest weighs what was signed for more entries than there are.
func (v *verifier) weighRest(ctx context.Context) error {
	end := v.next - 1
	beyond := head{}
	source := v.ofStore.name
	for v.storedHead != nil {
		beyond = *v.storedHead
		v.storedHead = nil
		if err := v.readHeads(ctx); err != nil {
			return err
		}
	}
	for v.witness != nil {
		if v.witness.Size <= end {
			if err := v.weighWitness(ctx, end); err != nil {
				return err
			}
			continue
		}
		if v.witness.Size > beyond.Size {
			beyond, source = *v.witness, v.ofFile.name
		}
		v.witness = nil
		if err := v.readHeads(ctx); err != nil {
			return err
		}
	}
	if beyond.Size > end {
		v.signed = max(v.signed, beyond.Size)
		v.found.add(Truncated, end+1, beyond.Size, "%s covers %d entries, the store holds %d: the end was cut off, or an older database put back", source, beyond.Size, end)
	}
	return nil
}
