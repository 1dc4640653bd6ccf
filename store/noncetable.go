package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	nonceLife = time.Hour
	nonceSkew = 5 * time.Minute // between the clocks of replicas
)

// A nonceTable is nonces that replicas share. A nonce is the second of its making,
// the epoch, the replica and a counter, 32 bits each, encrypted under a key that
// the database holds. Used ones stand in a table that PostgreSQL does not log: it
// is fast, and a crash of the server empties it. A crash empties the table of the
// epoch as well: that a nonce is of the epoch is what shows that its use would
// still be known.
type nonceTable struct {
	db      *sql.DB // not the writer's: a use does not wait for the log
	now     func() time.Time
	block   cipher.Block
	epoch   atomic.Uint32
	replica uint32 // of this store, as it was opened
	counter atomic.Uint32
}

func newNonceTable(ctx context.Context, db *sql.DB, now func() time.Time) (*nonceTable, error) {
	t := &nonceTable{db: db, now: now, replica: random32()}
	key := make([]byte, 16)
	rand.Read(key)
	if _, err := db.ExecContext(ctx, `
		INSERT INTO meta (key, value) VALUES ('nonce_key', $1) ON CONFLICT (key) DO NOTHING`, key); err != nil {
		return nil, fmt.Errorf("preparing nonces: %w", err)
	}
	if err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'nonce_key'`).Scan(&key); err != nil {
		return nil, fmt.Errorf("preparing nonces: %w", err)
	}
	var err error
	if t.block, err = aes.NewCipher(key); err != nil {
		return nil, fmt.Errorf("preparing nonces: %w", err)
	}
	return t, t.renew(ctx)
}

// renew learns the epoch, and begins one where a crash has ended the last.
func (t *nonceTable) renew(ctx context.Context) error {
	const read = `SELECT epoch FROM acme_nonce_epoch WHERE id = 1`
	var epoch int64
	err := t.db.QueryRowContext(ctx, read).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := t.db.ExecContext(ctx, `
			INSERT INTO acme_nonce_epoch (id, epoch) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, int64(random32())); err != nil {
			return fmt.Errorf("beginning an epoch of nonces: %w", err)
		}
		err = t.db.QueryRowContext(ctx, read).Scan(&epoch)
	}
	if err != nil {
		return fmt.Errorf("reading the epoch of nonces: %w", err)
	}
	t.epoch.Store(uint32(epoch))
	return nil
}

func (t *nonceTable) fresh() (nonce [16]byte) {
	binary.BigEndian.PutUint32(nonce[:4], uint32(t.now().Unix()))
	binary.BigEndian.PutUint32(nonce[4:8], t.epoch.Load())
	binary.BigEndian.PutUint32(nonce[8:12], t.replica)
	binary.BigEndian.PutUint32(nonce[12:], t.counter.Add(1))
	t.block.Encrypt(nonce[:], nonce[:])
	return nonce
}

func (t *nonceTable) use(ctx context.Context, nonce [16]byte) error {
	t.block.Decrypt(nonce[:], nonce[:])
	issued := int64(binary.BigEndian.Uint32(nonce[:4]))
	epoch := binary.BigEndian.Uint32(nonce[4:8])
	age := t.now().Sub(time.Unix(issued, 0))
	if age > nonceLife || age < -nonceSkew {
		return ErrSpent
	}
	result, err := t.db.ExecContext(ctx, `
		INSERT INTO acme_nonces (issued_at, id)
		SELECT $1, $2 FROM acme_nonce_epoch e WHERE e.id = 1 AND e.epoch = $3
		ON CONFLICT DO NOTHING`, issued, int64(binary.BigEndian.Uint64(nonce[8:])), int64(epoch))
	if err != nil {
		return fmt.Errorf("using a nonce: %w", err)
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return fmt.Errorf("using a nonce: %w", err)
	case n == 1:
		return nil
	}
	return errors.Join(ErrSpent, t.renew(ctx)) // the epoch may be another
}

// prune removes the nonces that are refused for their age, whoever's clock is asked.
func (t *nonceTable) prune(ctx context.Context, now time.Time) error {
	before := now.Add(-nonceLife - 2*nonceSkew).Unix()
	for {
		result, err := t.db.ExecContext(ctx, `
			DELETE FROM acme_nonces WHERE (issued_at, id) IN (
				SELECT n.issued_at, n.id FROM acme_nonces n WHERE n.issued_at < $1 ORDER BY n.issued_at, n.id LIMIT $2)`,
			before, pruneBatch)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n < pruneBatch {
			return err
		}
	}
}

func random32() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}
