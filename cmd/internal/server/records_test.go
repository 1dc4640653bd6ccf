package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/cmd/internal/guard/ship"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/journal"
)

// receives has the CA take what guards ship.
func (f *fixture) receives() { f.receivesWithin(archive.Bounds{}) }

func (f *fixture) receivesWithin(bounds archive.Bounds) {
	f.Records = NewRecords(func(ctx context.Context, from archive.Sender, b *journal.Batch) (journal.Ends, error) {
		return archive.Receive(ctx, f.ca.Store, bounds, from, b)
	})
}

// A machine has a certificate, and a guard's journal.
type keeper struct {
	*journal.Journal
	t    *testing.T
	cfg  journal.Config
	own  *tls.Certificate
	next int
}

func (f *fixture) keeper(t *testing.T, path string) *keeper {
	k := &keeper{t: t, own: f.enrolled(path)}
	id := k.own.Leaf.URIs[0]
	k.cfg = journal.Config{
		Dir: filepath.Join(t.TempDir(), "journal"), Identity: id.Host + id.Path,
		Certificate: func() (*tls.Certificate, error) { return k.own, nil },
	}
	k.open()
	t.Cleanup(func() { k.Close() })
	return k
}

func (k *keeper) open() {
	j, err := journal.Open(k.cfg)
	require.NoError(k.t, err)
	k.Journal = j
}

// keep writes n records, and has the journal sign for them.
func (k *keeper) keep(n int) {
	for range n {
		k.next++
		require.NoError(k.t, record.Into(k.Journal).Keep(k.t.Context(), record.Record{
			Begin: time.Now(), End: time.Now(), Kind: record.Request, Caller: "spiffe://x/device/a", Operation: fmt.Sprint(k.next),
		}))
	}
	require.NoError(k.t, k.Close())
	k.open()
}

func (k *keeper) shipper(f *fixture, c *http.Client) *ship.Shipper {
	return ship.New(ship.Config{Journal: k.Journal, URL: f.urls.https, Client: c, Log: slog.New(slog.DiscardHandler)})
}

// shipped ships until all that was signed for is there.
func (k *keeper) shipped(f *fixture, c *http.Client) {
	s := k.shipper(f, c)
	for k.Stats().Shipped < k.Stats().Signed {
		require.NoError(k.t, s.Once(k.t.Context()))
	}
}

// archived returns what an auditor reads of a machine's records, in order.
func archived(t *testing.T, db *store.DB, identity string) (operations []string) {
	place := &archive.Place{}
	for place != nil {
		var page []archive.Entry
		var err error
		page, place, err = archive.List(t.Context(), db, archive.Filter{Identity: identity}, *place, 50)
		require.NoError(t, err)
		for _, e := range page {
			require.Equal(t, identity, e.Identity)
			r, err := record.Parse(e.Entry)
			if errors.Is(err, record.ErrOther) {
				continue
			}
			require.NoError(t, err)
			operations = append(operations, r.Operation)
		}
	}
	return operations
}

func upTo(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i+1))
	}
	return all
}

// verifiedArchive verifies all journals in the archive, and returns how many there are.
func verifiedArchive(t *testing.T, s archive.Source) (n int) {
	require.NoError(t, archive.Verify(t.Context(), s, nil, func(c archive.Check) error {
		n++
		return c.Err
	}))
	return n
}

// What guards wrote down is in the CA's archive, opened for its auditors and verified, and
// what is written later follows.
func TestRecords(t *testing.T) {
	f := newServer(t, nil)
	f.receives()
	a, b := f.keeper(t, "gateway/icu"), f.keeper(t, "device/pump-7")
	for _, k := range []*keeper{a, b} {
		for _, n := range []int{3, 200} {
			k.keep(n)
			k.shipped(f, f.client(*k.own))
		}
	}
	require.Equal(t, upTo(203), archived(t, f.ca.Store, "gateway/icu"))
	require.Equal(t, upTo(203), archived(t, f.ca.Store, "device/pump-7"))
	require.Empty(t, archived(t, f.ca.Store, "device/pump-8"))
	require.Equal(t, 2, verifiedArchive(t, f.ca.Store))
	require.Len(t, f.ca.Audit("journal.begin"), 2)
	page, _, err := archive.List(t.Context(), f.ca.Store, archive.Filter{Action: "access.request", Since: time.Now().Add(time.Hour)}, archive.Place{}, 10)
	require.NoError(t, err)
	require.Empty(t, page)
}

// A cutting transport breaks every other request off: before it is sent, in the midst of
// it, or after the CA has taken it and before the guard hears so.
type cutting struct{ http.RoundTripper }

func (c cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	switch rand.IntN(4) {
	case 0:
		return nil, errors.New("cut before")
	case 1:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:rand.IntN(len(body))]), broken{}))
		return c.RoundTripper.RoundTrip(r)
	case 2:
		resp, err := c.RoundTripper.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		return nil, errors.Join(err, errors.New("cut after"))
	}
	return c.RoundTripper.RoundTrip(r)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cut in the midst") }

// Whatever breaks shipping off, and whoever ships the same beside it, each entry is in the
// archive once, in its place.
func TestRecordsOnce(t *testing.T) {
	f := newServer(t, nil)
	f.receives()
	k := f.keeper(t, "gateway/icu")
	total := 0
	for range 6 {
		k.keep(40)
		total += 40
		c := f.client(*k.own)
		c.Transport = cutting{c.Transport}
		for k.Stats().Shipped < k.Stats().Signed {
			s := k.shipper(f, c) // as if the guard had just started
			done := make(chan struct{})
			go func() { defer close(done); k.shipper(f, c).Once(t.Context()) }()
			for range 4 {
				s.Once(t.Context())
			}
			<-done
		}
	}
	require.Equal(t, upTo(total), archived(t, f.ca.Store, "gateway/icu"))
	require.Equal(t, 1, verifiedArchive(t, f.ca.Store))
	require.Empty(t, f.ca.Audit("journal.fork"))
}

// A journal that was set back, or went another way, is refused from then on; the CA's own
// log says so once.
func TestRecordsFork(t *testing.T) {
	f := newServer(t, nil)
	f.receives()
	k := f.keeper(t, "gateway/icu")
	k.keep(20)
	require.NoError(t, k.Close())
	before := t.TempDir()
	require.NoError(t, os.CopyFS(before, os.DirFS(k.cfg.Dir)))
	k.open()
	k.keep(20)
	c := f.client(*k.own)
	k.shipped(f, c)
	require.NoError(t, k.Close())

	after := k.cfg.Dir
	k.cfg.Dir = before // an older copy is put back, and goes on
	k.open()
	k.keep(100)
	for range 3 {
		s := k.shipper(f, c)
		err := s.Once(t.Context())
		if err == nil { // it heard what is there
			err = s.Once(t.Context())
		}
		require.ErrorContains(t, err, "409")
	}
	require.NoError(t, k.Close())
	k.cfg.Dir = after // nobody can say which of the two is the machine's
	k.open()
	require.ErrorContains(t, k.shipper(f, c).Once(t.Context()), "it showed another history")
	require.Len(t, f.ca.Audit("journal.fork"), 1)
	require.Equal(t, upTo(40), archived(t, f.ca.Store, "gateway/icu"))
	require.Equal(t, 1, verifiedArchive(t, f.ca.Store))
}

// Nobody ships another machine's journal, or one without a certificate of the CA's behind
// it; what is no batch, too long, or of another kind is refused.
func TestRecordsRefuses(t *testing.T) {
	f := newServer(t, nil)
	f.receives()
	k, thief := f.keeper(t, "gateway/icu"), f.keeper(t, "device/pump-7")
	k.keep(3)
	b, err := k.Batch(t.Context(), journal.Ends{Next: 1, Reader: f.ca.Store.ReaderKey()})
	require.NoError(t, err)
	good, err := b.Encode()
	require.NoError(t, err)
	kind := http.Header{"Content-Type": {mediaBatch}}
	post := func(own *tls.Certificate, header http.Header, body []byte) (*http.Response, []byte) {
		c := f.client()
		if own != nil {
			c = f.client(*own)
		}
		return f.do(c, http.MethodPost, f.urls.https+api.PathRecords, header.Clone(), body)
	}
	changed := func(change func(*journal.Batch)) []byte {
		bad := *b
		change(&bad)
		text, err := bad.Encode()
		require.NoError(t, err)
		return text
	}
	resp, body := post(nil, kind, good)
	requireProblem(t, resp, body, http.StatusUnauthorized, api.ProblemUnauthenticated)
	resp, body = post(k.own, asJSON, good)
	requireProblem(t, resp, body, http.StatusUnsupportedMediaType, api.ProblemMalformed)
	for name, text := range map[string][]byte{
		"empty": {}, "cut off": good[:len(good)-3], "followed": append(good[:len(good):len(good)], 'x'),
		"unsigned":         changed(func(b *journal.Batch) { b.Statement.Signature = nil }),
		"no checkpoint":    changed(func(b *journal.Batch) { b.Checkpoint = "" }),
		"other checkpoint": changed(func(b *journal.Batch) { b.Checkpoint = "x" }),
		"other key":        changed(func(b *journal.Batch) { b.Keys[0].Sealed = []byte("x") }),
	} {
		resp, body = post(k.own, kind, text)
		requireProblem(t, resp, body, http.StatusBadRequest, api.ProblemMalformed)
		_ = name
	}
	resp, body = post(thief.own, kind, good)
	requireProblem(t, resp, body, http.StatusBadRequest, api.ProblemMalformed)
	resp, body = post(k.own, kind, make([]byte, journal.MaxBatch+1))
	requireProblem(t, resp, body, http.StatusRequestEntityTooLarge, api.ProblemMalformed)

	// A name that belongs to another machine, signed for by oneself.
	key, err := journal.Certify(b.Statement.Origin, b.Statement.Key, thief.own)
	require.NoError(t, err)
	resp, body = post(thief.own, kind, changed(func(b *journal.Batch) { b.Statement = key }))
	requireProblem(t, resp, body, http.StatusBadRequest, api.ProblemMalformed)
	// And one's own name, signed for by another machine.
	key, err = journal.Certify(strings.Replace(b.Statement.Origin, "gateway/icu", "device/pump-7", 1), b.Statement.Key, k.own)
	require.NoError(t, err)
	resp, body = post(thief.own, kind, changed(func(b *journal.Batch) { b.Statement = key }))
	requireProblem(t, resp, body, http.StatusBadRequest, api.ProblemMalformed)
	require.Contains(t, string(body), "another machine's")
	require.Empty(t, archived(t, f.ca.Store, "gateway/icu"))
	for range 2 { // a batch whose answer was lost comes again, and that is in order
		resp, body = post(k.own, kind, good)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
		var ends journal.Ends
		require.NoError(t, json.Unmarshal(body, &ends))
		require.Equal(t, b.Last+1, ends.Next)
		require.Equal(t, upTo(3), archived(t, f.ca.Store, "gateway/icu"))
	}
}

// A sender who stalls is sent away, and meanwhile holds up nobody but himself.
func TestRecordsSlow(t *testing.T) {
	f := newServer(t, nil)
	f.receives()
	f.Records.patience = time.Second
	slow, other := f.keeper(t, "gateway/icu"), f.keeper(t, "device/pump-7")
	r, w := io.Pipe()
	defer w.Close()
	answered := make(chan int)
	go func() {
		req, err := http.NewRequest(http.MethodPost, f.urls.https+api.PathRecords, r)
		if err != nil {
			answered <- 0
			return
		}
		req.Header.Set("Content-Type", mediaBatch)
		resp, err := f.client(*slow.own).Do(req)
		if err != nil { // the connection was cut
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	w.Write([]byte("{"))
	busy := func() bool {
		f.Records.mu.Lock()
		defer f.Records.mu.Unlock()
		return f.Records.busy["gateway/icu"]
	}
	require.Eventually(t, busy, 10*time.Second, time.Millisecond)
	resp, body := f.do(f.client(*slow.own), http.MethodPost, f.urls.https+api.PathRecords, http.Header{"Content-Type": {mediaBatch}}, []byte("{}"))
	requireProblem(t, resp, body, http.StatusServiceUnavailable, api.ProblemUnavailable)
	other.keep(3)
	other.shipped(f, f.client(*other.own))
	require.Contains(t, []int{0, http.StatusBadRequest}, <-answered)
	require.Eventually(t, func() bool { return !busy() }, 10*time.Second, time.Millisecond)
}
