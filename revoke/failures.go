package revoke

import (
	"errors"
	"sync"
)

// failures hold why the newest list of each kind could not be made. A delta that
// works hides nothing about the full list.
type failures struct {
	mu sync.Mutex
	of map[string]error // by kind
}

// set reports whether this is news.
func (f *failures) set(kind string, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[string]error{}
	}
	old := f.of[kind]
	f.of[kind] = err
	return (old == nil) != (err == nil) || err != nil && old.Error() != err.Error()
}

// why returns them in one error, or nil.
func (f *failures) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.of[kindFull], f.of[kindDelta], f.of["shards"], f.of["others"])
}
