package archive_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// received has a store receive the journals of these machines, each of n entries of its
// own, in batches of about 500.
func received(t *testing.T, n int, machines ...string) *store.DB {
	db := enrolltest.New(t).Store
	for _, name := range machines {
		cfg := journal.Config{Dir: filepath.Join(t.TempDir(), "journal"), Identity: "test.example/" + name, Certificate: certificate(t)}
		ends := journal.Ends{}
		for done := 0; done < n; done += 500 {
			j, err := journal.Open(cfg)
			require.NoError(t, err)
			for i := range 500 {
				go j.Append(context.Background(), audit.Event{Action: "access.request", Actor: name, Detail: map[string]any{"n": done + i}})
			}
			require.Eventually(t, func() bool { return int(j.Size()) >= done+500 }, 30*time.Second, time.Millisecond)
			require.NoError(t, j.Close())
			j, err = journal.Open(cfg)
			require.NoError(t, err)
			for {
				b, err := j.Batch(t.Context(), ends)
				require.NoError(t, err)
				ends, err = archive.Receive(t.Context(), db, archive.Bounds{}, archive.Sender{Identity: name, Address: "192.0.2.1"}, b)
				require.NoError(t, err)
				if ends.Next > j.Stats().Signed {
					break
				}
			}
			require.NoError(t, j.Close())
		}
	}
	return db
}

func certificate(t testing.TB) func() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return func() (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}
}

// edited is an archive that somebody who owns the database has changed.
type edited struct {
	archive.Source
	batch   func(*store.JournalBatch)
	journal func(*store.Journal)
}

func (e edited) NextJournalBatch(ctx context.Context, origin string, after int64, since time.Time) (store.JournalBatch, error) {
	b, err := e.Source.NextJournalBatch(ctx, origin, after, since)
	if err == nil && e.batch != nil {
		e.batch(&b)
	}
	return b, err
}

func (e edited) Journals(ctx context.Context, identity, after string, limit int) ([]store.Journal, error) {
	all, err := e.Source.Journals(ctx, identity, after, limit)
	for i := range all {
		if e.journal != nil {
			e.journal(&all[i])
		}
	}
	return all, err
}

// What was done to the archive shows: a leaf changed, with or without its hash; a batch
// missing, cut, or of another place; the end forgotten; the head rewritten.
func TestVerify(t *testing.T) {
	db := received(t, 1000, "gateway/icu")
	verify := func(s archive.Source) (found error) {
		require.NoError(t, archive.Verify(t.Context(), s, nil, func(c archive.Check) error { found = c.Err; return nil }))
		return found
	}
	require.NoError(t, verify(db))
	other := received(t, 500, "gateway/icu")
	stolen, err := other.Journals(t.Context(), "", "", 1)
	require.NoError(t, err)
	foreign, err := other.NextJournalBatch(t.Context(), stolen[0].Origin, 0, time.Time{})
	require.NoError(t, err)
	rehash := func(b *store.JournalBatch) { // another journal's entries, in the place of its own
		if b.First == 1 && b.Last == foreign.Last {
			b.Frames = foreign.Frames
		}
	}
	for name, e := range map[string]edited{
		"leaf":     {batch: func(b *store.JournalBatch) { b.Frames[100] ^= 1 }},
		"hash":     {batch: func(b *store.JournalBatch) { b.Frames[5] ^= 1 }},
		"foreign":  {batch: rehash},
		"cut":      {batch: func(b *store.JournalBatch) { b.Frames = b.Frames[:len(b.Frames)-1] }},
		"longer":   {batch: func(b *store.JournalBatch) { b.Frames = append(b.Frames, b.Frames...) }},
		"missing":  {batch: func(b *store.JournalBatch) { b.First++ }},
		"more":     {journal: func(j *store.Journal) { j.Size++ }},
		"fewer":    {journal: func(j *store.Journal) { j.Size-- }},
		"frontier": {journal: func(j *store.Journal) { j.Frontier[3] ^= 1 }},
		"signed":   {journal: func(j *store.Journal) { j.Checkpoint = j.Checkpoint[:len(j.Checkpoint)-5] + "AAAA\n" }},
	} {
		e.Source = db
		var broken *audit.TamperError
		require.ErrorAs(t, verify(e), &broken, name)
	}
}

// What has left its retention is not missed: the rest of the journal verifies, up to what
// the machine signed for, and nothing but what left may stand for it.
func TestVerifyRetired(t *testing.T) {
	db := received(t, 1000, "gateway/icu")
	whole, err := db.Journals(t.Context(), "", "", 1)
	require.NoError(t, err)
	second, err := db.NextJournalBatch(t.Context(), whole[0].Origin, 500, time.Time{})
	require.NoError(t, err)
	front := second.First - 1
	if front == 0 {
		front = second.Last
	}
	var batches []store.JournalBatch
	for last := int64(0); last < front; {
		b, err := db.NextJournalBatch(t.Context(), whole[0].Origin, last, time.Time{})
		require.NoError(t, err)
		batches, last = append(batches, b), b.Last
	}
	f := frontierOf(t, batches...)
	check := func(removed int64, frontier []byte) (found archive.Check) {
		e := edited{Source: db, journal: func(j *store.Journal) { j.Removed, j.RemovedFrontier = removed, frontier }}
		require.NoError(t, archive.Verify(t.Context(), e, nil, func(c archive.Check) error { found = c; return nil }))
		return found
	}
	found := check(f.Size(), f.Bytes())
	require.NoError(t, found.Err)
	require.Equal(t, front, found.Removed)
	require.Equal(t, whole[0].Size, found.Entries)
	other := f.Bytes()
	other[0] ^= 1
	var broken *audit.TamperError
	require.ErrorAs(t, check(f.Size(), other).Err, &broken)
	require.ErrorAs(t, check(f.Size(), f.Bytes()[1:]).Err, &broken)
}

// frontierOf hashes the first batches of a journal.
func frontierOf(t *testing.T, batches ...store.JournalBatch) (f audit.Frontier) {
	for _, b := range batches {
		for r := bytes.NewReader(b.Frames); r.Len() > 0; {
			row, err := audit.ReadFrame(r, 1)
			require.NoError(t, err)
			f.Append(row.Hash)
		}
	}
	return f
}

// Whoever hashes everything anew after a change has no key to sign for it.
func TestVerifyHashedAnew(t *testing.T) {
	db := received(t, 1000, "gateway/icu")
	change := func(b *store.JournalBatch) {
		var frames []byte
		r := bytes.NewReader(b.Frames)
		for seq := b.First; seq <= b.Last; seq++ {
			row, err := audit.ReadFrame(r, seq)
			require.NoError(t, err)
			if seq == 10 {
				row.Leaf[len(row.Leaf)-1] ^= 1
			}
			frames = audit.AppendFrame(frames, tlog.RecordHash(row.Leaf), row.Leaf)
		}
		b.Frames = frames
	}
	all, err := db.Journals(t.Context(), "", "", 1)
	require.NoError(t, err)
	var f audit.Frontier
	for f.Size() < all[0].Size {
		b, err := db.NextJournalBatch(t.Context(), all[0].Origin, f.Size(), time.Time{})
		require.NoError(t, err)
		change(&b)
		for r := bytes.NewReader(b.Frames); r.Len() > 0; {
			row, err := audit.ReadFrame(r, 1)
			require.NoError(t, err)
			f.Append(row.Hash)
		}
	}
	anew := edited{db, change, func(j *store.Journal) { j.Frontier = f.Bytes() }}
	require.NoError(t, archive.Verify(t.Context(), anew, nil, func(c archive.Check) error {
		var broken *audit.TamperError
		require.ErrorAs(t, c.Err, &broken)
		require.Equal(t, audit.Rewritten, broken.Kind)
		return nil
	}))
}

// An auditor's list goes through all journals, page by page, each entry once, whatever the
// page's size; a filter leaves the others out.
func TestList(t *testing.T) {
	db := received(t, 1000, "device/a", "device/b")
	count := func(f archive.Filter, limit int) map[string]int {
		seen := map[string]int{}
		for place := (&archive.Place{}); place != nil; {
			page, next, err := archive.List(t.Context(), db, f, *place, limit)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), limit)
			for _, e := range page {
				if e.Actor != "self" {
					require.Equal(t, e.Identity, e.Actor)
				}
				key := fmt.Sprint(e.Origin, e.Seq)
				require.Zero(t, seen[key])
				seen[key]++
			}
			place = next
		}
		return seen
	}
	all := len(count(archive.Filter{}, 1000))
	require.Greater(t, all, 2000)
	require.Len(t, count(archive.Filter{}, 7), all)
	require.Len(t, count(archive.Filter{Identity: "device/a", Action: "access.request"}, 300), 1000)
	require.Empty(t, count(archive.Filter{Identity: "device/c"}, 10))
	require.Empty(t, count(archive.Filter{Until: time.Now().Add(-time.Hour)}, 10))
}

// A journal has its machine's name, and no other shape.
func TestNames(t *testing.T) {
	db := enrolltest.New(t).Store
	for _, origin := range []string{
		"", "gateway/icu", "test.example/gateway/icu", "test.example/gateway/icu/journal/", "test.example/gateway/icu/journal/XYZ",
		"test.example/gateway/other/journal/0a", "/gateway/icu/journal/0a", "a/b/gateway/icu/journal/0a", "test.example/gateway/icu/journal/0a/gateway/other/journal/0b",
	} {
		_, err := archive.Receive(t.Context(), db, archive.Bounds{}, archive.Sender{Identity: "gateway/icu"}, &journal.Batch{Statement: journal.Statement{Origin: origin}})
		var bad *archive.BatchError
		require.ErrorAs(t, err, &bad, origin)
		require.ErrorContains(t, err, "is no name for a journal")
	}
	all, err := db.Journals(t.Context(), "", "", 1)
	require.NoError(t, err)
	require.Empty(t, all)
}
