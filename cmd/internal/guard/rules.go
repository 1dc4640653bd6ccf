package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	carules "github.com/betonica/betonica/cmd/internal/guard/rules"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

// rules are those of this moment: the CA's, or a file's. A file that cannot be used
// leaves those before in force.
type rules struct {
	ca  *carules.Source // nil: a file's
	now func() time.Time

	trustDomain string
	log         *slog.Logger
	current     atomic.Pointer[rulefile.File]

	mu   sync.Mutex
	path string
	seen stamp
	err  error // why the file, as it is now, is not in force
}

// A stamp tells whether a file has changed.
type stamp struct {
	time time.Time
	size int64
	file os.FileInfo
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size(), info}
}

func (s stamp) same(as stamp) bool {
	return s.time.Equal(as.time) && s.size == as.size && (s.file == nil) == (as.file == nil) && (s.file == nil || os.SameFile(s.file, as.file))
}

// openRules takes up the rules of a configuration; url is the CA's.
func (g *Guard) openRules(ctx context.Context, c Config, url string) error {
	g.rules = &rules{now: g.now, trustDomain: g.id.TrustDomain(), log: g.log}
	first, err := g.rules.draft(c.Rules)
	if err != nil {
		return err
	}
	g.rules.take(first)
	if c.Rules != "" || !c.serves() {
		return nil
	}
	if url == "" {
		return errors.New("rules: neither a file is named, nor the CA known that has them")
	}
	source, err := carules.Open(carules.Config{
		URL: url, Identity: g.source, File: filepath.Join(c.State, "rules.jws"), EndAtExpiry: c.EndAtExpiry, Log: g.log, Now: g.now,
	})
	if err != nil {
		return err
	}
	g.rules.ca = source
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); source.Run(ctx) }()
	g.closers = append(g.closers, func() { stop(); <-done })
	return nil
}

// set returns what is allowed.
func (r *rules) set() allow.Set {
	if r.ca != nil {
		return r.ca.Rules()
	}
	return r.current.Load().Rules
}

// observe reports whether the file says that what it does not allow is let through.
func (r *rules) observe() bool { return r.current.Load().Observe }

// A draft is a file's rules that are not in force yet.
type draft struct {
	path string
	seen stamp
	file *rulefile.File
}

// draft reads the rules of a file; no path is no rules.
func (r *rules) draft(path string) (draft, error) {
	if path == "" {
		return draft{file: new(rulefile.File)}, nil
	}
	seen := stampOf(path) // before it is read: a change that comes meanwhile shows
	f, err := rulefile.Read(path, r.trustDomain)
	if err != nil {
		return draft{}, fmt.Errorf("reading rules: %w", err)
	}
	return draft{path, seen, f}, nil
}

// take puts a draft in force.
func (r *rules) take(d draft) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.path, r.seen, r.err = d.path, d.seen, nil
	r.current.Store(d.file)
}

// refresh takes up what changed in the file, and says so, once for each change.
func (r *rules) refresh(ctx context.Context) {
	r.mu.Lock()
	path, now := r.path, stampOf(r.path)
	changed := path != "" && !now.same(r.seen)
	r.seen = now
	r.mu.Unlock()
	if !changed {
		return
	}
	d, err := r.draft(path)
	if err != nil {
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
		r.log.ErrorContext(ctx, "the rules before stay in force", "error", err)
		return
	}
	r.take(d)
	r.log.InfoContext(ctx, "new rules are in force", "file", path, "rules", len(d.file.Rules.Rules()), "observe", d.file.Observe)
}

// status returns nil if what the CA or the file says is in force.
func (r *rules) status() error {
	if r.ca != nil {
		return r.statusOfCA()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *rules) statusOfCA() error {
	switch s := r.ca.Status(); {
	case s.Issued.IsZero() && s.Err != nil:
		return fmt.Errorf("there are none: %w", s.Err)
	case s.Issued.IsZero():
		return errors.New("the CA has none for this machine")
	case r.now().After(s.Expires):
		return fmt.Errorf("they expired at %s: %w", s.Expires.UTC().Format(time.RFC3339), s.Err)
	}
	return nil
}
