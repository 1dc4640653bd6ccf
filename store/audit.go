package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/store/audit"
)

// An auditLog is the log's side of the store: its keys, and its right edge.
type auditLog struct {
	signer  note.Signer
	keys    *audit.Keys
	sealer  *audit.Sealer                 // of the writer's goroutine
	current atomic.Pointer[audit.DataKey] // that the writer is to seal under
	tree    *audit.Tree                   // as it was opened
	keyring atomic.Pointer[audit.Keyring]
	ages    atomic.Pointer[LogKeys] // as they were read last

	head   atomic.Pointer[audit.Tree] // what is committed; never changed, only replaced
	signed atomic.Pointer[audit.SignedCheckpoint]
	proofs proofs

	signing sync.Mutex // one checkpoint at a time, so that the evidence is in order

	recovery *audit.SignedCheckpoint // the last one; nil: there was none

	witnesses     []witness // that were asked when it was opened
	contradiction error     // of one of them; nil: they agree
}

// openLog reads the log's data keys, or makes the first, and its right edge, which
// is put against what was signed.
func openLog(ctx context.Context, d *DB) (*auditLog, error) {
	l := &auditLog{keys: d.cfg.Keys}
	var err error
	if l.signer, err = d.cfg.Keys.Signer(d.cfg.Origin); err != nil {
		return nil, err
	}
	dataKeys, err := d.readDataKeys(ctx)
	if err != nil {
		return nil, err
	}
	if len(dataKeys) == 0 {
		first := audit.NewDataKey()
		err := d.engine.migration(ctx, func(ctx context.Context, s *session) error {
			_, err := s.exec(ctx, `INSERT INTO audit_keys (id, wrapped, created_at) VALUES ($1, $2, $3)`,
				first.ID[:], d.cfg.Keys.Wrap(first), d.cfg.Now().UnixMilli())
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("making a data key: %w", err)
		}
		dataKeys = append(dataKeys, datedKey{first, d.cfg.Now()})
	}
	newest := dataKeys[len(dataKeys)-1].DataKey
	l.sealer = audit.NewSealer(d.cfg.Keys, newest)
	l.current.Store(&newest)
	l.keyring.Store(keyringOf(dataKeys))
	w, err := d.wrappings(ctx, d.reads.query)
	if err != nil {
		return nil, err
	}
	l.ages.Store(agesOf(dataKeys, w))
	if l.recovery, err = d.readRecovery(ctx); err != nil {
		return nil, err
	}
	if l.witnesses, err = d.witnesses(ctx); err != nil {
		return nil, err
	}
	source, err := d.AuditSource(ctx)
	if err != nil {
		return nil, err
	}
	if l.tree, err = audit.LoadTree(ctx, source, source.size); err != nil {
		return nil, err
	}
	if l.contradiction, err = l.contradictedBy(ctx, l.witnesses, source); err != nil {
		return nil, err
	}
	l.head.Store(l.tree)
	return l, nil
}

// open opens an entry, its details encoded or not. Data keys that other processes made are read when one of
// their entries is met.
func (l *auditLog) open(leaf []byte, encoded bool) (audit.Entry, error) {
	if encoded {
		return l.keyring.Load().OpenEncoded(leaf)
	}
	return l.keyring.Load().Open(leaf)
}

// VerifierKey returns the public key of the log's checkpoints, as package
// checkpoint reads it.
func (d *DB) VerifierKey() (string, error) { return d.cfg.Keys.VerifierKey(d.cfg.Origin) }

// LogSize returns the number of committed entries of the audit log.
func (d *DB) LogSize() int64 { return d.log.head.Load().Size() }
