package revoke_test

import (
	"bytes"
	"database/sql"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// resting returns a publisher on a store that signs only when a test has it sign.
func resting(t *testing.T, c *enrolltest.CA, db *store.DB) *revoke.Publisher {
	t.Helper()
	w := newWorld(t, c, revoketest.OnStore(db))
	w.Stop()
	p, err := revoke.NewPublisher(t.Context(), w.Publisher.PublisherConfig)
	require.NoError(t, err)
	return p
}

// What a replica has signed while another one published a list of a greater number
// nobody gets from it: it serves the other's, or what it served before.
func TestOvertakenSigner(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	one, two := resting(t, c, c.Replica(named(0))), resting(t, c, c.Replica(named(1)))

	before := one.Delta()
	c.WhileSigning(func() { require.NoError(t, two.SignDelta(t.Context())) })
	require.NoError(t, one.SignDelta(t.Context()))
	require.Greater(t, two.Delta().Number, before.Number)
	require.Equal(t, before.Number, one.Delta().Number, "a delta is served although one of a greater number was there")
	kept, err := c.Store.LatestCRL(t.Context(), c.Authority.IssuerID(), "delta")
	require.NoError(t, err)
	require.Equal(t, two.Delta().DER, kept.DER, "the older delta is on record")

	c.WhileSigning(func() { require.NoError(t, two.SignFull(t.Context())) })
	require.NoError(t, one.SignFull(t.Context()))
	require.Equal(t, two.Full().Number, one.Full().Number, "a full list is served although one of a greater number was there")
	require.Equal(t, two.Full().DER, one.Full().DER, "one number has two lists")
}

// A number that a replica has reserved and not used is no number for a later list: what
// was revoked since then has a greater one.
func TestReservedAnew(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	one, two := resting(t, c, c.Replica(named(0))), resting(t, c, c.Replica(named(1)))
	for i := range 3 {
		require.NoError(t, two.SignDelta(t.Context()))
		require.Greater(t, two.Delta().Number, one.Delta().Number, "list %d has a number of before", i)
		require.NoError(t, one.SignDelta(t.Context()))
		require.Greater(t, one.Delta().Number, two.Delta().Number, "list %d has a number of before", i)
	}
}

// A list is numbered before what was revoked is read, so that it tells of all with a
// lower number: also of a revocation that is not committed yet when the list is begun.
func TestNumberedBeforeRead(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	c := enrolltest.Open(t, dsn)
	p := resting(t, c, c.Replica(named(0)))
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer db.Close()
	revoking, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer revoking.Rollback()
	id := store.Serial{1, 2, 3}
	_, err = revoking.Exec(`UPDATE crl_number SET number = number + 1 WHERE id = 1`)
	require.NoError(t, err)
	_, err = revoking.Exec(`
		INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number, issuer)
		SELECT $1, '', 1, $2, $3, n.number, s.id FROM crl_number n, issuers s WHERE s.key_id = $4`,
		id[:], time.Now().UnixMilli(), time.Now().Add(time.Hour).UnixMilli(), c.Authority.IssuerID())
	require.NoError(t, err)

	signed := make(chan error, 1)
	go func() { signed <- p.SignDelta(t.Context()) }()
	require.Eventually(t, func() bool {
		var waiting int
		err := db.QueryRow(`SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		return err == nil && waiting > 0
	}, 10*time.Second, time.Millisecond, "a list is numbered while a revocation is being committed")
	require.NoError(t, revoking.Commit())
	require.NoError(t, <-signed)
	list, err := crl.Open(p.Delta().DER, c.Authority.Certificate())
	require.NoError(t, err)
	serial, err := crl.SerialOf(id[:])
	require.NoError(t, err)
	_, told := list.Entries().Lookup(serial)
	require.True(t, told, "list %d leaves out what was revoked with a lower number", list.Number())
}

// Nothing is served from a store but what this issuer signed for that place and under
// that number, whoever has written it there; the list that was there is.
func TestOnlyVerifiedIsServed(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		p := resting(t, c, c.Store)
		issuer := c.Authority.IssuerID()
		now := time.Now().UTC().Truncate(time.Second)
		next := c.NextAuthority().Certificate()
		list := func(change func(*crl.Template)) signed {
			number, err := c.Store.ReserveCRLNumbers(t.Context(), 1)
			require.NoError(t, err)
			template := crl.Template{Number: number, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
			change(&template)
			var der bytes.Buffer
			require.NoError(t, crl.Encode(&der, c.Authority.Certificate(), c.IssuingKey, template, crl.Set{}))
			return signed{template.Number, der.Bytes()}
		}
		plain := func(*crl.Template) {}
		base := func(l *crl.Template) { l.Base = 1 }
		part := func(l *crl.Template) { l.Point = c.Authority.ListURL("2/1.crl") }
		other := func(l *crl.Template) { l.Point = c.Authority.ListURL("2/0.crl") }
		flip := func(s signed) signed { s.der[len(s.der)-1] ^= 1; return s }
		under := func(s signed, number int64) signed { return signed{s.number + number, s.der} }
		for _, tt := range []struct {
			name, kind string
			signed
			served bool
		}{
			{"a full list", "full", list(plain), true},
			{"a delta", "delta", list(base), true},
			{"a shard", "2/1", list(part), true},
			{"garbage", "full", signed{1, []byte("garbage")}, false},
			{"a forged full list", "full", flip(list(plain)), false},
			{"a forged delta", "delta", flip(list(base)), false},
			{"a forged shard", "2/1", flip(list(part)), false},
			{"a delta for the full list", "full", list(base), false},
			{"a full list for the delta", "delta", list(plain), false},
			{"a shard for the full list", "full", list(part), false},
			{"the full list for a shard", "2/1", list(plain), false},
			{"another shard", "2/1", list(other), false},
			{"under a number below its own", "full", under(list(plain), -1), false},
			{"under a number above its own", "full", under(list(plain), 1), false},
			{"of a number that was never given out", "full", list(func(l *crl.Template) { l.Number = math.MaxInt32 }), false},
		} {
			row := store.CRL{Issuer: issuer, Kind: tt.kind, Number: tt.number, ThisUpdate: now, NextUpdate: now.Add(time.Hour), DER: tt.der}
			put(t, dsn, row)
			doc, err := p.Newer(t.Context(), tt.kind)
			require.NoError(t, err)
			require.Equal(t, tt.served, doc != nil, "whether it is served: %s", tt.name)
			if tt.kind == "full" {
				_, err = revoke.OpenDocument(row, c.Authority.Certificate())
				require.Equal(t, tt.served || tt.name == "of a number that was never given out", err == nil, "as a resting issuer's: %s", tt.name)
				_, err = revoke.OpenDocument(row, next)
				require.Error(t, err, "another issuer's")
			}
		}
	})
}

// A signed list has a number, as it is put on record.
type signed struct {
	number int64
	der    []byte
}

// put writes a row as whoever owns the database can.
func put(t *testing.T, dsn string, row store.CRL) {
	t.Helper()
	driver, source := "pgx", dsn
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, source = "sqlite3", "file:"+file+"?_busy_timeout=10000"
	}
	db, err := sql.Open(driver, source)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(`DELETE FROM crls WHERE issuer = $1 AND kind = $2`, row.Issuer, row.Kind)
	require.NoError(t, err)
	_, err = db.Exec(`
		INSERT INTO crls (issuer, kind, number, base, this_update, next_update, der) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		row.Issuer, row.Kind, row.Number, row.Base, row.ThisUpdate.UnixMilli(), row.NextUpdate.UnixMilli(), row.DER)
	require.NoError(t, err)
}
