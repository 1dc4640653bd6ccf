package store

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// Who cuts off the end of the log is betrayed by the checkpoints that he leaves
// behind, and where he takes those too, by the tiles.
func TestTruncatedLog(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for range 300 {
			must(t, d, func(*Tx) {})
		}
		_, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		size := verify(t, d)

		tamper(t, d, `DELETE FROM audit WHERE seq > 200`)
		require.Equal(t, &audit.TamperError{Kind: audit.Truncated, From: 201, To: size}, broken(t, d))
		tamper(t, d, `DELETE FROM checkpoints`)
		require.Equal(t, &audit.TamperError{Kind: audit.Truncated, From: 201, To: 256}, broken(t, d))
	})
}

// tamper runs a statement as someone who owns the database does.
func tamper(t testing.TB, d *DB, statement string) {
	t.Helper()
	err := d.quiet(t.Context(), func(ctx context.Context, tx *AloneTx) error {
		_, err := tx.session.exec(ctx, statement)
		return err
	})
	require.NoError(t, err)
}

// broken returns what is wrong with the log, without its detail.
func broken(t testing.TB, d *DB) *audit.TamperError {
	t.Helper()
	source, err := d.AuditSource(t.Context())
	require.NoError(t, err)
	_, err = audit.Verify(t.Context(), source, audit.VerifyOptions{Verifier: verifier(t, d)})
	var found *audit.TamperError
	require.ErrorAs(t, err, &found)
	return &audit.TamperError{Kind: found.Kind, From: found.From, To: found.To}
}
