package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

const (
	metaKept     = "recovering" // size of the log when its recovery began; absent: none is under way
	metaRecovery = "recovery"   // the newest recovery, signed; absent: there was none
)

// What may have been signed of a copy that is lost, since its newest entry: a list has
// at most so many numbers in a second, and a block of them may have been reserved.
const (
	numbersEach = 20
	numbersSpan = 1000
)

// ErrReplicas reports that other processes have the store open, that is to be
// recovered alone.
var ErrReplicas = errors.New("other daemons are running on this database: stop them first")

// ErrSound reports a store that needs no recovery.
var ErrSound = errors.New("the database is the one that was here, and nothing is known that is newer: there is nothing to recover")

// BeginRecovery prepares a store that was opened with [Config.Recover], in this order:
// BeginRecovery, [DB.Replay] of everything that lists show, [DB.EndRecovery]. Until the
// last is done the store opens for nothing else; what was interrupted is begun again.
//
// From now on numbers of revocation lists are above newest, the greatest that is known
// to have been signed, and above what may have been signed since the store was copied.
// It returns the number that is reached. The error is [ErrSound], [ErrReplicas], or that
// the clock is behind what is on record.
func (d *DB) BeginRecovery(ctx context.Context, newest int64) (number int64, err error) {
	d.seen.CRLNumber = newest
	if Judge(d.said, d.seen) == Serves {
		return 0, ErrSound
	}
	if err := d.alone(ctx); err != nil {
		return 0, err
	}
	last, err := d.newestEntry(ctx)
	if err != nil {
		return 0, err
	}
	since := d.cfg.Now().Sub(last)
	if since < -time.Minute {
		return 0, fmt.Errorf("the clock says %s, and the log's last entry is of %s: set the clock", d.cfg.Now().UTC().Format(time.RFC3339), last.Format(time.RFC3339))
	}
	number = max(d.said.CRLNumber, newest)
	gone := numbersSpan + int64(max(0, since.Seconds()))*numbersEach
	if number > math.MaxInt64-gone {
		return 0, errors.New("there are no greater numbers for revocation lists")
	}
	number = max(newest, d.said.CRLNumber+gone)
	err = d.quiet(ctx, func(ctx context.Context, tx *AloneTx) error {
		for _, meta := range []struct{ key, value string }{
			{metaRestored, "being recovered"}, {metaKept, strconv.FormatInt(d.LogSize(), 10)},
		} {
			tx.demand(anyRows, nil, `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, meta.key, []byte(meta.value))
		}
		tx.demand(anyRows, nil, `UPDATE crl_number SET number = $1 WHERE id = 1 AND number < $1`, number)
		return tx.err
	})
	return number, err
}

// alone returns [ErrReplicas] if another process has the database open.
func (d *DB) alone(ctx context.Context) error {
	if !d.engine.shared() {
		return nil
	}
	all, err := d.Replicas(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Live && !r.Self {
			return fmt.Errorf("%w: %s %s", ErrReplicas, r.Name, r.URL)
		}
	}
	return nil
}

// A Recovered store goes on.
type Recovered struct {
	ID     string // its name from now on
	Kept   int64  // entries of the log that there are of before
	Lost   int64  // the last one that is known to be lost; 0: none is
	Tokens int64  // that could still be used, and cannot any more

	Requests int64 // for approval that are forgotten
}

// EndRecovery ends what [DB.BeginRecovery] began: the log owns up to the loss, in the
// evidence first; then, with an event, the store gets another name and may sign again.
// Unused tokens are void, since they may have been used in the history that is lost;
// requests for approval are forgotten, since they may have been denied there; what two people
// agreed on is denied, and powers end. Numbers of alerts go on above those that may have been
// given. Of the issuers that go on signing, lists of before are not served again. detail goes into
// the event.
func (d *DB) EndRecovery(ctx context.Context, by string, signing []string, detail map[string]any) (Recovered, error) {
	out := Recovered{ID: newStoreID()}
	var text []byte
	err := d.reads.row(ctx, `SELECT value FROM meta WHERE key = 'recovering'`, nil, &text)
	if err == nil {
		out.Kept, err = strconv.ParseInt(string(text), 10, 64)
	}
	if err != nil {
		return out, fmt.Errorf("reading where the recovery began: %w", err)
	}
	for _, w := range d.log.witnesses {
		if w.Size > out.Kept {
			out.Lost = max(out.Lost, w.Size)
		}
	}
	signed, err := d.signRecovery(ctx, out)
	if err != nil {
		return out, err
	}
	if err := appendEvidence(d.cfg.Evidence, audit.EvidenceNote(signed.Note)); err != nil {
		return out, fmt.Errorf("writing the recovery to the evidence: %w", err)
	}
	err = d.UpdateAlone(ctx, func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
		for _, issuer := range signing {
			tx.demand(anyRows, nil, `DELETE FROM crls WHERE issuer = $1`, issuer)
		}
		return d.endRecovery(ctx, tx, by, detail, signed, &out)
	})
	if err != nil {
		return out, err
	}
	if err := WriteID(d.cfg.IDFile, out.ID); err != nil {
		return out, err
	}
	d.log.recovery = &signed
	d.said = Said{ID: out.ID, Former: append(d.said.Former, d.said.ID)}
	_, err = d.SignCheckpoint(ctx)
	return out, err
}

// signRecovery signs that the log goes on from what was kept.
func (d *DB) signRecovery(ctx context.Context, r Recovered) (audit.SignedCheckpoint, error) {
	source, err := d.AuditSource(ctx)
	if err != nil {
		return audit.SignedCheckpoint{}, err
	}
	defer source.Close()
	tree, err := audit.LoadTree(ctx, source, r.Kept)
	if err != nil {
		return audit.SignedCheckpoint{}, err
	}
	now := d.cfg.Now().UTC().Truncate(time.Second)
	note, err := checkpoint.SignRecovery(checkpoint.Recovery{
		Checkpoint: checkpoint.Checkpoint{Origin: d.cfg.Origin, Size: r.Kept, Hash: tree.Hash()}, Lost: r.Lost, At: now,
	}, d.log.signer)
	return audit.SignedCheckpoint{Size: r.Kept, At: now, Note: note}, err
}

func (d *DB) endRecovery(ctx context.Context, tx *AloneTx, by string, detail map[string]any, signed audit.SignedCheckpoint, out *Recovered) (audit.Event, error) {
	if err := tx.row(ctx, `SELECT COUNT(*) FROM tokens WHERE uses < max_uses AND revoked_at IS NULL AND expires_at > $1`, []any{tx.millis()}, &out.Tokens); err != nil {
		return audit.Event{}, err
	}
	tx.demand(anyRows, nil, `
		UPDATE tokens SET revoked_at = $1 WHERE uses < max_uses AND revoked_at IS NULL AND expires_at > $1`, tx.millis())
	if err := tx.row(ctx, `SELECT COUNT(*) FROM requests`, nil, &out.Requests); err != nil {
		return audit.Event{}, err
	}
	tx.demand(anyRows, nil, `DELETE FROM requests`)
	// What was agreed on may have been used in the history that is lost.
	tx.demand(anyRows, nil, `UPDATE proposals SET state = 'denied', decided_by = $1, decided_at = $2 WHERE state IN ('open', 'approved')`, self, tx.millis())
	tx.demand(anyRows, nil, `UPDATE powers SET ends_at = $1 WHERE ends_at > $1 AND ended_at = 0`, tx.millis()) // they may have been ended in it
	// An alert has an entry at least; people know those that are lost by their numbers.
	tx.demand(1, ErrNotFound, `UPDATE alert_watch SET last_id = last_id + $1 WHERE one = 1`, max(out.Lost-out.Kept, numbersSpan))
	tx.demand(1, ErrExists, `
		INSERT INTO checkpoints (size, at, note) VALUES ($1, $2, $3)
		ON CONFLICT (size) DO UPDATE SET at = excluded.at, note = excluded.note`, signed.Size, signed.At.UnixMilli(), signed.Note)
	former := ""
	for _, id := range append(d.said.Former, d.said.ID) {
		former += id + "\n"
	}
	for _, meta := range []struct{ key, value string }{{metaID, out.ID}, {metaFormer, former}, {metaRecovery, signed.Note}} {
		tx.demand(1, ErrExists, markRestored, meta.key, []byte(meta.value))
	}
	tx.demand(anyRows, nil, `DELETE FROM meta WHERE key IN ('restored', 'set-back', 'recovering')`)
	all := map[string]any{"store": out.ID, "before": d.said.ID, "kept": out.Kept, "lost": out.Lost, "tokens": out.Tokens, "requests": out.Requests}
	for name, value := range detail {
		all[name] = value
	}
	return audit.Event{Action: "store.recover", Actor: by, Subject: "store", Outcome: "ok", Detail: all}, tx.err
}

// LastRecovery returns the signed note by which the log owned up to its last loss, and
// the size that it goes back to; false if there never was one.
func (d *DB) LastRecovery() (audit.SignedCheckpoint, bool) {
	if d.log.recovery == nil {
		return audit.SignedCheckpoint{}, false
	}
	return *d.log.recovery, true
}

// readRecovery reads what LastRecovery returns.
func (d *DB) readRecovery(ctx context.Context) (*audit.SignedCheckpoint, error) {
	var text []byte
	err := d.reads.row(ctx, `SELECT value FROM meta WHERE key = 'recovery'`, nil, &text)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the last recovery: %w", err)
	}
	key, err := d.VerifierKey()
	if err != nil {
		return nil, err
	}
	verifier, err := checkpoint.NewVerifier(key)
	if err != nil {
		return nil, err
	}
	r, is, err := checkpoint.OpenRecovery(string(text), verifier)
	if err != nil || !is {
		return nil, fmt.Errorf("the last recovery on record was edited: %w", err)
	}
	return &audit.SignedCheckpoint{Size: r.Size, At: r.At, Note: string(text)}, nil
}
