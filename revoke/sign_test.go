package revoke_test

import (
	"bytes"
	"crypto/x509"
	"database/sql"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// onClock has a world's lists made by the clock of its CA.
func onClock(c *enrolltest.CA) func(*revoke.PublisherConfig, *revoke.ResponderConfig) {
	return func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) {
		p.Clock = revoke.ClockOf(c.Now)
		p.DatabaseTime(c.Now)
	}
}

// revoke has an identity of this name enrolled and revoked, and returns its
// certificate when the full list has it.
func (w *world) revoke(name string) *x509.Certificate {
	w.t.Helper()
	cert, _ := w.enrol(name)
	fell, err := w.Revoker.Identity(w.t.Context(), root, "device/"+name, orders)
	require.NoError(w.t, err)
	eventually(w.t, func() bool { return w.Publisher.Full().Number > fell.Number }, "a full list")
	require.True(w.t, has(w.open(w.Publisher.Full()), cert))
	return cert
}

// A certificate leaves the full list after one that was published past its
// notAfter, and not before: what was published counts, not the clock, over
// restarts and for each of several publishers (RFC 5280, Section 3.3).
func TestEntriesLeave(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		w, other := newWorld(t, c, onClock(c)), newWorld(t, c, onClock(c))
		ended := w.revoke("pump-1")
		eventually(t, func() bool { return has(other.open(other.Publisher.Full()), ended) }, "the other's")
		c.Advance(ended.NotAfter.Sub(c.Now()) + time.Hour)

		w.revoke("pump-2")
		require.True(t, has(w.open(w.Publisher.Full()), ended), "the first past its end")
		last := w.open(w.Publisher.Full()).Number()
		other.Stop()
		w.revoke("pump-3")
		require.False(t, has(w.open(w.Publisher.Full()), ended), "the second")
		w.Stop()

		// Whoever published nothing since knows what the last one did.
		require.Greater(t, w.Publisher.Full().Number, last)
		again := newWorld(t, c, onClock(c))
		again.revoke("pump-4")
		require.False(t, has(again.open(again.Publisher.Full()), ended))
	})
}

// While the daemon was down longer than its last list was good, certificates
// ended: the first list of the next run has them, one last time.
func TestEntriesLeaveAfterAPause(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		w := newWorld(t, c, onClock(c))
		ended := w.revoke("pump-1")
		w.Stop()
		c.Advance(ended.NotAfter.Sub(c.Now()) + 100*time.Hour)
		again := newWorld(t, c, onClock(c))
		require.NotEqual(t, w.Publisher.Full().Number, again.Publisher.Full().Number)
		require.True(t, has(again.open(again.Publisher.Full()), ended))
		again.revoke("pump-2")
		require.False(t, has(again.open(again.Publisher.Full()), ended))
		again.Stop()
		c.Advance(100 * time.Hour)
		third := newWorld(t, c, onClock(c))
		require.NotEqual(t, again.Publisher.Full().Number, third.Publisher.Full().Number)
		require.False(t, has(third.open(third.Publisher.Full()), ended), "what has left does not come back")
	})
}

// What must not be in a list, whoever wrote it into the database, makes no list:
// the last good one is served on, Health says why, and once it is gone lists
// follow.
func TestBadListIsNotPublished(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		w := newWorld(t, c)
		first := w.revoke("pump-1")
		full, delta := w.Publisher.Full(), w.Publisher.Delta()
		hold := serial(first)
		hold[15] ^= 1
		number, err := c.Store.ReserveCRLNumbers(t.Context(), 1)
		require.NoError(t, err)
		db := raw(t, dsn)
		_, err = db.Exec(`INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number, issuer)
			SELECT $1, identity, 6, revoked_at, not_after, $2, issuer FROM revocations`, hold[:], number)
		require.NoError(t, err)

		second, _ := w.enrol("pump-2")
		_, err = w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
		require.NoError(t, err)
		eventually(t, func() bool {
			err := w.Publisher.Health()
			return err != nil && strings.Contains(err.Error(), "reason")
		}, "Health")
		require.Equal(t, full.Number, w.Publisher.Full().Number)
		require.Less(t, w.Publisher.Delta().Number, number)
		require.GreaterOrEqual(t, w.Publisher.Delta().Number, delta.Number)

		_, err = db.Exec(`DELETE FROM revocations WHERE reason = 6`)
		require.NoError(t, err)
		eventually(t, func() bool { return has(w.open(w.Publisher.Full()), second) && w.Publisher.Health() == nil }, "a full list")
	})
}

// What was signed is read back: a list that does not say what it was to say, here of
// half a second that DER cannot write, is given to nobody. Our own are of whole
// seconds, whatever their lifetime.
func TestSealReadsBack(t *testing.T) {
	w := newWorld(t, enrolltest.New(t), func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) {
		p.Lifetime = time.Hour + 500*time.Millisecond
	})
	require.NoError(t, w.Publisher.Health())
	require.Equal(t, time.Hour, w.Publisher.Full().NextUpdate.Sub(w.Publisher.Full().ThisUpdate))
	now := time.Now().Truncate(time.Second)
	l := crl.Template{Number: 1, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	_, err := w.Publisher.Seal(l, crl.Set{})
	require.NoError(t, err)
	l.NextUpdate = l.NextUpdate.Add(500 * time.Millisecond)
	doc, err := w.Publisher.Seal(l, crl.Set{})
	require.ErrorContains(t, err, "reading back")
	require.Nil(t, doc)
}

// raw opens the store's database beside it.
func raw(t testing.TB, dsn string) *sql.DB {
	driver := "pgx"
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, dsn = "sqlite3", "file:"+path+"?_busy_timeout=10000"
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// What a clock that is ahead wrote down as revoked in a moment is revoked now.
func TestRevokedAhead(t *testing.T) {
	c := enrolltest.New(t)
	c.Advance(4 * time.Minute)
	w := newWorld(t, c)
	cert := w.revoke("pump-1")
	require.NoError(t, w.Publisher.Health())
	list := w.open(w.Publisher.Full())
	id, err := crl.SerialOf(cert.SerialNumber.Bytes())
	require.NoError(t, err)
	e, _ := list.Entries().Lookup(id)
	require.False(t, e.RevokedAt.After(list.ThisUpdate()))
}

// A list that our own key signed, but that is not the complete one, is not taken
// for the full list of the last run, wherever it comes from.
func TestPartialFullIsNotReused(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	cert := w.revoke("pump-1")
	w.Stop()
	for name, change := range map[string]func(*crl.Template){
		"shard": func(l *crl.Template) { l.Point = c.Authority.ListURL("2/1.crl") },
		"delta": func(l *crl.Template) { l.Base = l.Number - 1 },
	} {
		number, err := c.Store.ReserveCRLNumbers(t.Context(), 1)
		require.NoError(t, err)
		now := time.Now().Truncate(time.Second)
		l := crl.Template{Number: number, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
		change(&l)
		var der bytes.Buffer
		require.NoError(t, crl.Encode(&der, w.issuing, c.IssuingKey, l, crl.Set{}))
		require.NoError(t, c.Store.SaveCRL(t.Context(), store.CRL{
			Issuer: c.Authority.IssuerID(), Kind: "full", Number: number, ThisUpdate: now, NextUpdate: now.Add(time.Hour), DER: der.Bytes(),
		}))
		again := newWorld(t, c)
		full := again.open(again.Publisher.Full())
		require.Nil(t, full.Scope(), name)
		require.False(t, full.IsDelta(), name)
		require.True(t, has(full, cert), name)
		again.Stop()
	}
}

// The full list says where deltas to it are, and a delta is really there.
func TestFreshest(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	require.Equal(t, []string{w.Authority.ListURL("delta.crl")}, w.open(w.Publisher.Full()).Freshest())
	_, path, ok := strings.Cut(w.Authority.ListURL("delta.crl"), "http://ca.hospital.example")
	require.True(t, ok)
	list, err := crl.Open(w.get(path), w.issuing)
	require.NoError(t, err)
	require.True(t, list.IsDelta())
}
