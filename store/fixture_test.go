package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/betonica/betonica/store/storetest"
)

// eachEngine runs f on an open, empty store of each engine.
func eachEngine(t *testing.T, f func(t *testing.T, d *DB)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) { f(t, open(t, config(t, dsn))) })
}

func config(t testing.TB, dsn string) Config {
	return Config{
		DSN: dsn, Keys: audit.NewKeys([32]byte{1}), Origin: "example.test/log",
		Evidence: filepath.Join(t.TempDir(), "evidence"), BackupDir: t.TempDir(), Now: time.Now,
	}
}

func open(t testing.TB, cfg Config) *DB {
	t.Helper()
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.AddIssuer(t.Context(), issuer))
	return d
}

// issuer is who issues unless a test says otherwise.
const issuer = "0123456789abcdef0123456789abcdef01234567"

// event is an audit event of no consequence.
func event() audit.Event { return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"} }

// update makes one Update with an event of no consequence.
func update(d *DB, demands func(*Tx)) error {
	return d.Update(context.Background(), func(tx *Tx) audit.Event {
		demands(tx)
		return event()
	})
}

// must is update of what cannot fail.
func must(t testing.TB, d *DB, demands func(*Tx)) {
	t.Helper()
	require.NoError(t, update(d, demands))
}

// identity creates an active identity.
func identity(t testing.TB, d *DB, path string) {
	t.Helper()
	role, name := splitPath(path)
	must(t, d, func(tx *Tx) {
		tx.CreateIdentity(Identity{Path: path, Role: role, Name: name, State: Active})
	})
}

// token returns a token with so many uses.
func token(t testing.TB, d *DB, uses int) TokenID {
	t.Helper()
	var id TokenID
	must(t, d, func(tx *Tx) { id = newToken(tx, uses) })
	return id
}

func newToken(tx *Tx, uses int) TokenID {
	var id TokenID
	rand.Read(id[:])
	tx.InsertToken(Token{ID: id, Role: "device", Name: "*", MaxUses: uses, Expires: time.Now().Add(time.Hour)})
	return id
}

// maintained runs the store's Run, until the returned function ends it.
func maintained(t testing.TB, d *DB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

var serials atomic.Int64

// certificate returns a live certificate of the identity with a key of its own;
// the store does not look into its DER.
func certificate(path string) Certificate {
	now := time.Now()
	c := Certificate{
		Issuer: issuer, Identity: path, NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(24 * time.Hour),
		Method: "token", Revision: 1, DER: make([]byte, 700),
	}
	copy(c.Serial[:], numbered(now.UnixMilli()<<16, numbered(serials.Add(1), nil)))
	rand.Read(c.SPKI[:])
	rand.Read(c.DER)
	return c
}

// issued records a certificate of the identity.
func issued(t testing.TB, d *DB, path string) Certificate {
	t.Helper()
	c := certificate(path)
	must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
	return c
}

// verify demands that the audit log is whole, and returns its size.
func verify(t testing.TB, d *DB) int64 {
	t.Helper()
	source, err := d.AuditSource(t.Context())
	require.NoError(t, err)
	keyring, err := d.Keyring(t.Context())
	require.NoError(t, err)
	report, err := audit.Verify(t.Context(), source, audit.VerifyOptions{Verifier: verifier(t, d), Keyring: keyring})
	require.NoError(t, err)
	return report.Last
}

// parallel runs f n times at once and returns the errors.
func parallel(n int, f func(i int) error) []error {
	errs := make([]error, n)
	done := make(chan struct{})
	start := make(chan struct{})
	for i := range n {
		go func() {
			<-start
			errs[i] = f(i)
			done <- struct{}{}
		}()
	}
	close(start)
	for range n {
		<-done
	}
	return errs
}

func device(i int) string { return fmt.Sprintf("device/SN-%05d", i) }

func verifier(t testing.TB, d *DB) note.Verifier {
	key, err := d.VerifierKey()
	require.NoError(t, err)
	v, err := checkpoint.NewVerifier(key)
	require.NoError(t, err)
	return v
}
