package guard

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

// rules are those of a file, of this moment. A file that cannot be used leaves those
// before in force.
type rules struct {
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

// set returns what is allowed; nothing, before a file was read.
func (r *rules) set() allow.Set { return r.current.Load().Rules }

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

// status returns nil if what the file says is in force.
func (r *rules) status() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
