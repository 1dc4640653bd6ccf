package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

const origin = "hospital.example/log"

// A world is a store, and what is delivered out of it.
type world struct {
	testing.TB
	*store.DB
	config store.Config
}

func newWorld(t testing.TB, dsn string) *world {
	w := &world{TB: t, config: store.Config{DSN: dsn, Keys: audit.NewKeys([32]byte{1}), Origin: origin, Now: time.Now}}
	w.DB = w.another()
	return w
}

// another opens the store as another process does.
func (w *world) another() *store.DB {
	w.Helper()
	db, err := store.Open(w.Context(), w.config)
	require.NoError(w, err)
	return db
}

// record puts n entries of an action on record, as they come when many are at it.
func (w *world) record(action string, n int) {
	w.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = w.Update(context.Background(), func(*store.Tx) audit.Event {
				return audit.Event{Action: action, Actor: "device/a", Subject: "device/a", Outcome: "ok", Detail: map[string]any{"n": i}}
			})
		})
	}
	wg.Wait()
	require.NoError(w, errors.Join(errs...))
}

// A guard ships a journal.
type guard struct {
	*world
	path   string
	key    audit.DataKey
	sealer *audit.Sealer
	size   int64
	spoil  func(frames []byte) []byte // of a batch; nil: nobody does
}

func (w *world) guard(path string) *guard {
	w.Helper()
	g := &guard{world: w, path: path, key: audit.NewDataKey()}
	g.sealer = audit.NewSealer(audit.NewKeys(audit.NewMaster()), g.key)
	require.NoError(w, w.Update(context.Background(), func(tx *store.Tx) audit.Event {
		tx.InsertJournal(store.Journal{Origin: g.origin(), Identity: path, Key: "k", Statement: []byte("s")})
		return audit.Event{Action: "journal.begin", Actor: path, Subject: path, Outcome: "ok"}
	}))
	return g
}

func (g *guard) origin() string { return "hospital.example/" + g.path + "/journal/01" }

// ship has the CA take n records in one batch.
func (g *guard) ship(n int) {
	g.Helper()
	var frames []byte
	for i := range n {
		var err error
		frames, _, err = g.sealer.AppendFrame(frames, g.size+int64(i)+1, time.Now(), audit.Event{
			Action: "access.request", Actor: "spiffe://hospital.example/device/a", Subject: "ehr", Outcome: "allowed", Detail: map[string]any{"protocol": "fhir"},
		})
		require.NoError(g, err)
	}
	if g.spoil != nil {
		frames = g.spoil(frames)
	}
	sealed, err := g.key.SealFor(g.ReaderKey())
	require.NoError(g, err)
	key, err := g.OpenJournalKey(context.Background(), g.key.ID, sealed)
	require.NoError(g, err)
	after := store.Journal{Origin: g.origin(), Identity: g.path, Size: g.size + int64(n), Frontier: []byte{1}}
	require.NoError(g, g.Durable(context.Background(), func(tx *store.RelaxedTx) {
		tx.ExtendJournal(g.size, after, store.JournalBatch{First: g.size + 1, Last: after.Size, Earliest: time.Now(), Latest: time.Now(), Frames: frames}, []store.JournalKey{key})
	}))
	g.size = after.Size
}

// engine returns an engine to outlets, out of a process's store.
func (w *world) engine(db *store.DB, outlets ...deliver.Outlet) *deliver.Engine {
	return deliver.New(deliver.Config{
		Store: db, Outlets: outlets, Source: atna.Source{ID: "spiffe://hospital.example/ca", Origin: origin}, TrustDomain: "hospital.example",
		Now: time.Now, Log: slog.New(slog.NewTextHandler(w.Output(), nil)),
	})
}

// start runs an engine until stop is called, or the test ends.
func start(t testing.TB, e *deliver.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// A receiver keeps what it takes, and does what take says: how many it takes of a batch,
// and what it says then. It takes all by itself.
type receiver struct {
	mu     sync.Mutex
	got    []deliver.Record
	asks   int
	closed bool
	take   func(batch []deliver.Record) (int, error)
}

func (r *receiver) Send(ctx context.Context, batch []deliver.Record) (int, error) {
	r.mu.Lock()
	take := r.take
	r.asks++
	r.mu.Unlock()
	n, err := len(batch), error(nil)
	if take != nil {
		n, err = take(batch)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, batch[:n]...)
	return n, err
}

func (r *receiver) Close() error {
	r.closed = true
	return nil
}

func (r *receiver) answer(take func(batch []deliver.Record) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take = take
}

func (r *receiver) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asks
}

func (r *receiver) taken() []deliver.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]deliver.Record(nil), r.got...)
}

// whole demands that the records of a log that were taken are its entries from first on,
// in order, each once.
func whole(t testing.TB, got []deliver.Record, log string, first, last int64) {
	t.Helper()
	for _, r := range got {
		if r.Source.Origin == log {
			require.Equal(t, first, r.Entry.Seq, log)
			require.NotEmpty(t, r.Entry.Actor, "it is opened")
			first++
		}
	}
	require.Equal(t, last+1, first, "nothing is missing of %s", log)
}

var errDown = errors.New("dial tcp: connection refused")

func refuse(text string) error { return &deliver.RefusedError{Answer: text} }

func outlet(name string, s deliver.Sink) deliver.Outlet {
	return deliver.Outlet{Name: name, Kind: "test", To: fmt.Sprintf("test://%s", name), Sink: s, Journals: true, All: true}
}
