package survey_test

import (
	"crypto/rand"
	"crypto/rsa"
	"database/sql"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/compliance/survey"
	"github.com/betonica/betonica/store/storetest"
)

// Each fault of certificates, and of the log, is found where it is and counted once,
// whoever made it: the CA itself, or somebody in its database.
func TestFaults(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := world{enrolltest.Open(t, dsn), t}
		for _, name := range []string{"pump-1", "pump-2", "pump-3", "pump-4"} {
			w.enrol("device", name, "icu")
		}
		w.crowd("device/pump-4", 3)
		_, err := w.Store.SignCheckpoint(t.Context())
		require.NoError(t, err)
		whole := func(c *survey.Config) { c.Sample, c.Whole = 1000, true }
		f, _ := w.survey(whole)
		c := f.Certificates
		require.Equal(t, [3]int64{0, 0, 0}, [3]int64{c.Borrowed.N, c.Orphaned.N, f.Log.Unproved.N})
		require.EqualValues(t, 1, c.Crowded.N)
		require.Equal(t, "device/pump-4", c.Crowded.Rows[0].What)
		require.EqualValues(t, 3, c.Weak.N)
		require.EqualValues(t, 3, c.Keys["RSA-1024"])
		require.Zero(t, f.Log.Verified.Findings.N)
		require.EqualValues(t, f.Log.Signed, f.Log.Sampled, "there are fewer than were asked for")

		tamper(t, dsn, 5,
			`UPDATE keys SET identity = 'device/pump-2' WHERE identity = 'device/pump-1'`,
			`UPDATE identities SET state = 'retired' WHERE path = 'device/pump-3'`,
			`UPDATE audit SET action = 'other.action' WHERE seq = 3`,
		)
		f, evidence := w.survey(whole)
		c = f.Certificates
		require.EqualValues(t, 1, c.Borrowed.N)
		require.Equal(t, "device/pump-1", c.Borrowed.Rows[0].What)
		require.Contains(t, c.Borrowed.Rows[0].Detail, "device/pump-2")
		require.EqualValues(t, 1, c.Orphaned.N)
		require.Equal(t, "device/pump-3", c.Orphaned.Rows[0].What)
		require.EqualValues(t, 2, f.Log.Unproved.N)
		require.Equal(t, "entry 3", f.Log.Unproved.Rows[0].What)
		require.Equal(t, "entry 5", f.Log.Unproved.Rows[1].What)
		require.Len(t, evidence.Entries, int(f.Log.Sampled)-2)
		require.Positive(t, f.Log.Verified.Findings.N)
	})
}

// crowd gives an identity n more certificates, with keys that nobody should use.
func (w world) crowd(path string, n int) {
	w.t.Helper()
	policy, err := w.Store.CurrentPolicy(w.t.Context())
	require.NoError(w.t, err)
	der := selfSigned(w.t, must(rsa.GenerateKey(rand.Reader, 1024)))
	for range n {
		one := store.Certificate{
			Issuer: w.Authority.IssuerID(), Identity: path, NotBefore: w.Now(), NotAfter: w.Now().Add(24 * time.Hour), DER: der,
			Method: "token", Revision: w.Identity(path).Revision, Policy: policy.Version,
		}
		binary.BigEndian.PutUint64(one.Serial[:], uint64(w.Now().UnixMilli())<<16)
		rand.Read(one.Serial[6:])
		rand.Read(one.SPKI[:])
		require.NoError(w.t, w.Store.Update(w.t.Context(), func(tx *store.Tx) audit.Event {
			tx.InsertCertificate(one)
			return audit.Event{Action: "certificate.issue", Actor: path, Subject: path, Outcome: "ok"}
		}))
	}
}

// tamper changes a database behind the back of the CA that has it open, and flips a bit
// of what is sealed in an entry.
func tamper(t *testing.T, dsn string, entry int64, statements ...string) {
	t.Helper()
	const read, write = `SELECT leaf FROM audit WHERE seq = $1`, `UPDATE audit SET leaf = $1 WHERE seq = $2`
	var leaf []byte
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		db, err := sql.Open("sqlite3", file+"?_busy_timeout=30000")
		require.NoError(t, err)
		defer db.Close()
		for _, one := range statements {
			_, err := db.ExecContext(t.Context(), one)
			require.NoError(t, err)
		}
		require.NoError(t, db.QueryRowContext(t.Context(), read, entry).Scan(&leaf))
		leaf[len(leaf)-1] ^= 1
		_, err = db.ExecContext(t.Context(), write, leaf, entry)
		require.NoError(t, err)
		return
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for _, one := range statements {
		_, err := conn.Exec(t.Context(), one)
		require.NoError(t, err)
	}
	require.NoError(t, conn.QueryRow(t.Context(), read, entry).Scan(&leaf))
	leaf[len(leaf)-1] ^= 1
	_, err = conn.Exec(t.Context(), write, leaf, entry)
	require.NoError(t, err)
}
