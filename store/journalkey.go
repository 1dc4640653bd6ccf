package store

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/betonica/betonica/store/audit"
)

// A JournalKey is a data key of a journal, wrapped by the log's key.
type JournalKey struct {
	ID      audit.KeyID
	Wrapped []byte
}

// keepJournalKey demands that what wrapped a key is still there, and keeps it, unless it is
// kept already. The error is [ErrStale]: the wrapping key was replaced meanwhile, and the
// key is to be wrapped again.
func (t *RelaxedTx) keepJournalKey(origin string, k JournalKey) {
	by, ok := audit.WrappedBy(k.Wrapped)
	if ok {
		// It stays until this is committed: whoever removes it waits for that.
		t.demand(1, ErrStale, `UPDATE meta SET value = value WHERE key = $1`, metaWrapping+hex.EncodeToString(by[:]))
	}
	t.demand(anyRows, nil, `
		INSERT INTO journal_keys (origin, id, wrapped) VALUES ($1, $2, $3) ON CONFLICT (origin, id) DO NOTHING`,
		origin, k.ID[:], k.Wrapped)
}

// ReaderKey is to what the data keys of journals are sealed.
func (d *DB) ReaderKey() []byte { return d.cfg.Keys.ReaderKey() }

// OpenJournalKey returns a data key that was sealed to ReaderKey, wrapped by the
// wrapping key of now.
func (d *DB) OpenJournalKey(ctx context.Context, id audit.KeyID, sealed []byte) (JournalKey, error) {
	key, err := d.cfg.Keys.OpenFor(id, sealed)
	if err != nil {
		return JournalKey{}, err
	}
	w, err := d.wrappings(ctx, d.reads.query)
	if err != nil {
		return JournalKey{}, err
	}
	return JournalKey{id, w.wrap(key)}, nil
}

// JournalKeyring returns what opens the entries of a journal, as far as its keys came.
func (d *DB) JournalKeyring(ctx context.Context, origin string) (*audit.Keyring, error) {
	all, err := d.unwrapped(ctx, `SELECT id, wrapped, 0 FROM journal_keys WHERE origin = $1 ORDER BY id`, origin)
	if err != nil {
		return nil, fmt.Errorf("keys of journal %s: %w", origin, err)
	}
	return keyringOf(all), nil
}

// JournalKeyring is [DB.JournalKeyring].
func (l *Log) JournalKeyring(ctx context.Context, origin string) (*audit.Keyring, error) {
	return l.db.JournalKeyring(ctx, origin)
}
