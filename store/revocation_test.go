package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// Revoking an identity takes everything away in one transaction, under one
// number, and says what; doing it again takes nothing more.
func TestRevokeIdentity(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		identity(t, d, "device/b")
		named := certificate("device/a")
		named.DNSNames = []string{"x.example"}
		must(t, d, func(tx *Tx) { tx.InsertCertificate(named) })
		second, foreign := issued(t, d, "device/a"), issued(t, d, "device/b")
		expired := certificate("device/a")
		expired.NotAfter = time.Now().Add(-time.Hour)
		must(t, d, func(tx *Tx) { tx.InsertCertificate(expired) })
		open, used := TokenID{1}, TokenID{2}
		must(t, d, func(tx *Tx) {
			for _, id := range []TokenID{open, used} {
				tx.InsertToken(Token{ID: id, Role: "device", Name: "a", Exact: true, MaxUses: 1, Expires: time.Now().Add(time.Hour)})
			}
			tx.SpendToken(used)
		})
		bound, ended, other := account(t, d, "device/a"), account(t, d, "device/a"), account(t, d, "device/b")
		must(t, d, func(tx *Tx) { tx.DeactivateAccount(ended.ID) })

		fall := func() Fall {
			var fall Fall
			require.NoError(t, d.UpdateAlone(t.Context(), func(ctx context.Context, tx *AloneTx) (e audit.Event, err error) {
				fall, err = tx.RevokeIdentity(ctx, "device/a", 1)
				return event(), err
			}))
			return fall
		}
		first := fall()
		require.EqualValues(t, 1, first.Number)
		require.Equal(t, []TokenID{open}, first.Tokens)
		require.Equal(t, []AccountID{bound.ID}, first.Accounts)
		require.Equal(t, []string{"x.example"}, first.Names)
		require.Equal(t, []Serial{named.Serial, second.Serial}, serialsOf(first.Revocations))
		require.True(t, fall().Empty())

		id, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.Equal(t, Revoked, id.State)
		for want, a := range map[AccountStatus]Account{AccountRevoked: bound, AccountValid: other} {
			got, err := d.Account(t.Context(), a.ID)
			require.NoError(t, err)
			require.Equal(t, want, got.Status)
		}
		since, err := d.RevokedSince(t.Context(), issuer, 0)
		require.NoError(t, err)
		require.Equal(t, first.Revocations, since)
		for _, c := range []struct {
			Certificate
			revoked bool
		}{{named, true}, {second, true}, {foreign, false}, {expired, false}} {
			known, revocation, err := d.Status(t.Context(), issuer, c.Serial)
			require.NoError(t, err)
			require.Equal(t, Issued, known)
			require.Equal(t, c.revoked, revocation != nil)
		}
		known, _, err := d.Status(t.Context(), issuer, Serial{1})
		require.NoError(t, err)
		require.Equal(t, NeverIssued, known)
		require.ErrorIs(t, alone(d, (*AloneTx).RevokeIdentity, "device/c"), ErrNotFound)
		verify(t, d)
	})
}

// A dry run is the same code, undone: the caller's error undoes it, and nobody
// hears of it.
func TestRevokeDryRun(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		serial := issued(t, d, "device/a").Serial
		defer d.OnRevoked(func([]Revocation, bool) { t.Error("nothing was revoked") })()
		var fall Fall
		err := d.UpdateAlone(t.Context(), func(ctx context.Context, tx *AloneTx) (e audit.Event, err error) {
			if fall, err = tx.RevokeIdentity(ctx, "device/a", 1); err != nil {
				return audit.Event{}, err
			}
			return audit.Event{}, context.Canceled
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []Serial{serial}, serialsOf(fall.Revocations))
		_, revocation, err := d.Status(t.Context(), issuer, serial)
		require.NoError(t, err)
		require.Nil(t, revocation)
	})
}

// Revoking on one side while the other enrols the same identity in a loop never
// leaves a live certificate.
func TestRevokeWinsAgainstEnrolment(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for i := range 20 {
			path := device(i)
			identity(t, d, path)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for update(d, func(tx *Tx) { tx.InsertCertificate(certificate(path)) }) == nil {
					}
				})
			}
			require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, path))
			wg.Wait()
			live, _, err := d.Certificates(t.Context(), CertificateFilter{Identity: path, Live: true}, Page{})
			require.NoError(t, err)
			require.Empty(t, live)
		}
		verify(t, d)
	})
}

// Who must know of a revocation knows it before the call that revoked returns,
// from every kind of call, once each and in the order of their numbers.
func TestOnRevoked(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		var mu sync.Mutex
		var heard []Revocation
		stop := d.OnRevoked(func(r []Revocation, _ bool) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, r...)
		})
		knows := func(serial Serial) bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(serialsOf(heard), serial)
		}
		for i := range 30 {
			path := device(i)
			identity(t, d, path)
			serial := issued(t, d, path).Serial
			switch i % 3 {
			case 0:
				require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, path))
			case 1:
				require.NoError(t, revokeSerial(d, serial))
			case 2:
				must(t, d, func(tx *Tx) { tx.ReplaceCertificates(path, 1) })
			}
			require.True(t, knows(serial), "%d", i)
		}
		require.Len(t, heard, 30)
		require.True(t, slices.IsSortedFunc(heard, func(a, b Revocation) int { return int(a.Number - b.Number) }))

		stop()
		identity(t, d, "device/z")
		serial := issued(t, d, "device/z").Serial
		require.NoError(t, revokeSerial(d, serial))
		require.False(t, knows(serial))
	})
}

// Numbers rise strictly, whoever takes them: a revocation goes past a reserved
// block, and a block begins after the last revocation.
func TestCRLNumbersRise(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		var mu sync.Mutex
		taken := map[int64]bool{}
		take := func(from, to int64) {
			mu.Lock()
			defer mu.Unlock()
			for n := from; n <= to; n++ {
				if taken[n] {
					t.Errorf("%d was taken twice", n)
				}
				taken[n] = true
			}
		}
		for i := range 20 {
			identity(t, d, device(i))
			issued(t, d, device(i))
		}
		reserve := func() error {
			first, err := d.ReserveCRLNumbers(t.Context(), 1000)
			if err == nil {
				take(first, first+999)
			}
			return err
		}
		for _, err := range parallel(20, func(i int) error {
			return errors.Join(reserve(), alone(d, (*AloneTx).RevokeIdentity, device(i)), reserve())
		}) {
			require.NoError(t, err)
		}
		revoked, err := d.RevokedSince(t.Context(), issuer, 0)
		require.NoError(t, err)
		require.Len(t, revoked, 20)
		for _, r := range revoked {
			take(r.Number, r.Number)
		}
		number, err := d.CRLNumber(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 20*2001, number)
		require.Len(t, taken, 20*2001)
		require.False(t, taken[0])
	})
}

// The full list holds what its number says and nothing later, forgets what has
// ended, and is not cut where a page of it ends.
func TestRevocations(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		end := time.UnixMilli(time.Now().Add(time.Hour).UnixMilli())
		const n = revocationPage + 10
		must(t, d, func(tx *Tx) {
			for i := range n {
				serial := Serial{byte(i >> 16), byte(i >> 8), byte(i), 1}
				tx.demand(1, nil, `INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number) VALUES ($1, 'device/a', 1, 0, $2, $3)`,
					serial[:], end.UnixMilli(), i)
			}
		})
		count := func(upTo int64, since time.Time) (count int) {
			var last Serial
			for r, err := range d.Revocations(t.Context(), issuer, upTo, since) {
				require.NoError(t, err)
				require.Negative(t, bytes.Compare(last[:], r.Serial[:]))
				require.Equal(t, 1, r.Reason)
				last = r.Serial
				count++
			}
			return count
		}
		require.Equal(t, n, count(n, end.Add(-time.Millisecond)))
		require.Equal(t, n, count(n-1, end.Add(-time.Millisecond)))
		require.Equal(t, 101, count(100, end.Add(-time.Millisecond)))
		require.Zero(t, count(n, end))
	})
}

// The newest CRL of a kind is kept, whatever order they are saved in.
func TestSaveCRL(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		_, err := d.LatestCRL(t.Context(), "aa", "full")
		require.ErrorIs(t, err, ErrNotFound)
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		crl := CRL{Issuer: "aa", Kind: "full", Number: 7, ThisUpdate: now, NextUpdate: now.Add(time.Hour), DER: []byte{7}}
		older := crl
		older.Number, older.DER = 6, []byte{6}
		require.NoError(t, d.SaveCRL(t.Context(), crl))
		require.NoError(t, d.SaveCRL(t.Context(), older))
		got, err := d.LatestCRL(t.Context(), "aa", "full")
		require.NoError(t, err)
		require.Equal(t, crl, got)
	})
}

func serialsOf(revocations []Revocation) []Serial {
	var serials []Serial
	for _, r := range revocations {
		serials = append(serials, r.Serial)
	}
	return serials
}

// Several identities fall in one transaction, each with an event of its own that is
// found by its name; with an error none falls.
func TestUpdateMany(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		paths := []string{"device/a", "device/b", "device/c"}
		for _, path := range paths {
			identity(t, d, path)
			issued(t, d, path)
		}
		all := func(end error) error {
			return d.UpdateMany(t.Context(), func(ctx context.Context, tx *AloneTx) (events []audit.Event, err error) {
				for _, path := range paths {
					if _, err := tx.RevokeIdentity(ctx, path, 1); err != nil {
						return nil, err
					}
					events = append(events, audit.Event{Action: "identity.revoke", Actor: "uid:0", Subject: path, Outcome: "ok"})
				}
				return events, end
			})
		}
		require.ErrorIs(t, all(context.Canceled), context.Canceled)
		since, err := d.RevokedSince(t.Context(), issuer, 0)
		require.NoError(t, err)
		require.Empty(t, since)

		require.NoError(t, all(nil))
		since, err = d.RevokedSince(t.Context(), issuer, 0)
		require.NoError(t, err)
		require.Len(t, since, 3)
		for _, path := range paths {
			entries, _, err := d.AuditEntries(t.Context(), AuditFilter{Subject: path, Action: "identity.revoke"}, Page{})
			require.NoError(t, err)
			require.Len(t, entries, 1)
		}
		verify(t, d)
	})
}
