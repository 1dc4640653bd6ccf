package survey

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
)

func (s *survey) log(ctx context.Context) error {
	l := &s.facts.Log
	var err error
	if l.Actions, err = s.Store.ActionCounts(ctx, s.facts.Since, time.Time{}); err != nil {
		return err
	}
	l.Dropped = l.Actions["refusals.dropped"]
	l.Entries = s.Store.LogSize()
	if l.Key, err = s.Store.VerifierKey(); err != nil {
		return err
	}
	keys, err := s.Store.LogKeys(ctx)
	if err != nil {
		return err
	}
	l.DataKeys, l.DataKey, l.Wrapping = int64(keys.DataKeys), keys.Newest, keys.Wrapped
	if err := s.segments(ctx); err != nil {
		return err
	}
	signed, err := s.Store.LatestCheckpoint(ctx)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	l.Signed, l.SignedAt = signed.Size, signed.At
	if err := s.sample(ctx, signed); err != nil || !s.Whole {
		return err
	}
	return s.whole(ctx)
}

// segments looks for the files of the archive.
func (s *survey) segments(ctx context.Context) error {
	all, err := s.Store.Segments(ctx)
	if err != nil {
		return err
	}
	l := &s.facts.Log
	for _, one := range all {
		l.Segments++
		if _, err := os.Stat(filepath.Join(s.Store.Archive(), one.File)); err != nil {
			l.Missing.Add(one.File, fmt.Sprintf("entries %d to %d", one.First, one.Last))
		}
	}
	return nil
}

// sample draws entries and proves that each is in what was signed.
func (s *survey) sample(ctx context.Context, signed audit.SignedCheckpoint) error {
	v, err := checkpoint.NewVerifier(s.facts.Log.Key)
	if err != nil {
		return err
	}
	head, err := checkpoint.Open(signed.Note, v)
	if err != nil {
		return fmt.Errorf("opening the newest checkpoint: %w", err)
	}
	s.facts.Log.Origin = head.Origin
	s.evidence.Key, s.evidence.Checkpoint = s.facts.Log.Key, signed.Note
	source, err := s.Store.AuditSource(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	keys, err := s.Store.Keyring(ctx)
	if err != nil {
		return err
	}
	opener := keys.Opener()
	for _, seq := range draw(head.Size, s.Sample) {
		one, err := prove(ctx, source, opener, head, seq)
		if flaw, ok := errors.AsType[*unprovedError](err); ok {
			s.facts.Log.Sampled++
			s.facts.Log.Unproved.Add(fmt.Sprintf("entry %d", seq), flaw.why)
			continue
		}
		if err != nil {
			return err
		}
		s.facts.Log.Sampled++
		s.evidence.Entries = append(s.evidence.Entries, one)
	}
	return nil
}

// draw returns up to n different numbers from 1 to size, in ascending order.
func draw(size int64, n int) []int64 {
	drawn := map[int64]bool{}
	for range min(int64(n), size) {
		for {
			if seq := 1 + rand.Int64N(size); !drawn[seq] {
				drawn[seq] = true
				break
			}
		}
	}
	all := make([]int64, 0, len(drawn))
	for seq := range drawn {
		all = append(all, seq)
	}
	slices.Sort(all)
	return all
}

// An unprovedError reports an entry that is not what was signed.
type unprovedError struct{ why string }

func (e *unprovedError) Error() string { return e.why }

// prove proves that an entry is in what was signed, and that its row says of it what it
// says itself: lists are made from rows.
func prove(ctx context.Context, source *store.AuditSource, opener *audit.Opener, head checkpoint.Checkpoint, seq int64) (pack.Proof, error) {
	records, err := source.Records(ctx, seq-1, 1)
	if err != nil {
		return pack.Proof{}, err
	}
	if len(records) == 0 || records[0].Seq != seq {
		return pack.Proof{}, &unprovedError{"it is not there"}
	}
	r := records[0]
	if r.Hash = tlog.RecordHash(r.Leaf); len(r.Leaf) == 0 {
		return pack.Proof{}, &unprovedError{"it is empty"}
	}
	if e, _, _ := opener.Open(r.Leaf); e.Seq != r.Seq || e.Action != r.Action || !e.At.Equal(r.At) { // its key may be gone
		return pack.Proof{}, &unprovedError{"its row says something else of it"}
	}
	proof, err := audit.ProveInclusion(ctx, source, head.Size, seq)
	if err != nil {
		return pack.Proof{}, &unprovedError{"its place in the tree cannot be found: " + err.Error()}
	}
	if err := tlog.CheckRecord(proof, head.Size, head.Hash, seq-1, r.Hash); err != nil {
		return pack.Proof{}, &unprovedError{"it is not the entry that was signed"}
	}
	one := pack.Proof{Entry: seq, At: r.At.UTC().Format(time.RFC3339Nano), Action: r.Action, Leaf: r.Leaf}
	for _, h := range proof {
		one.Path = append(one.Path, h.String())
	}
	return one, nil
}

// whole reads every entry.
func (s *survey) whole(ctx context.Context) error {
	options := audit.VerifyOptions{}
	var err error
	if options.Verifier, err = checkpoint.NewVerifier(s.facts.Log.Key); err != nil {
		return err
	}
	source, err := s.Store.AuditSource(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	if options.Keyring, err = s.Store.Keyring(ctx); err != nil {
		return err
	}
	report, err := audit.Verify(ctx, source, options)
	if _, broken := errors.AsType[*audit.TamperError](err); err != nil && !broken {
		return fmt.Errorf("reading the whole log: %w", err)
	}
	v := &compliance.Verification{At: s.facts.At, Entries: report.Last}
	for _, flaw := range report.Findings {
		v.Findings.Add(fmt.Sprintf("entries %d to %d", flaw.From, flaw.To), string(flaw.Kind))
	}
	s.facts.Log.Verified = v
	return nil
}
