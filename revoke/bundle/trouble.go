package bundle

import (
	"context"
	"log/slog"
	"sync"
)

// troubles tell of what goes wrong when it begins, changes and ends, and not each
// time that it is tried again.
type troubles struct {
	log *slog.Logger

	mu sync.Mutex
	of map[string]string // what is tried to why it fails
}

func (t *troubles) tell(ctx context.Context, what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]string{}
	}
	before := t.of[what]
	switch {
	case err != nil && err.Error() != before:
		t.of[what] = err.Error()
		t.log.WarnContext(ctx, "revocation lists: failed", "step", what, "error", err)
	case err == nil && before != "":
		delete(t.of, what)
		t.log.InfoContext(ctx, "revocation lists: works again", "step", what)
	}
}
