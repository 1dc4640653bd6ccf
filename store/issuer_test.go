package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each issuer has its own certificates and revocations, in one order of numbers:
// no list of one names what is another's, and each revocation says whose it is.
func TestIssuersAreApart(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		const second = "ffffffffffffffffffffffffffffffffffffffff"
		require.NoError(t, d.AddIssuer(t.Context(), second))
		var heard []Revocation
		defer d.OnRevoked(func(r []Revocation, _ bool) { heard = append(heard, r...) })()
		revokers := []func(path string, serial Serial) error{
			func(path string, _ Serial) error { return alone(d, (*AloneTx).RevokeIdentity, path) },
			func(_ string, serial Serial) error { return revokeSerial(d, serial) },
			func(path string, _ Serial) error {
				return update(d, func(tx *Tx) { tx.ReplaceCertificates(path, 1) })
			},
		}
		of := map[string][]Serial{}
		for i, revoke := range revokers {
			for j, who := range []string{issuer, second} {
				path := device(2*i + j)
				identity(t, d, path)
				c := certificate(path)
				c.Issuer = who
				must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
				got, err := d.Certificate(t.Context(), c.Serial)
				require.NoError(t, err)
				require.Equal(t, who, got.Issuer)
				issued, _, err := d.Status(t.Context(), who, c.Serial)
				require.NoError(t, err)
				require.Equal(t, Issued, issued)
				of[who] = append(of[who], c.Serial)
				require.NoError(t, revoke(path, c.Serial))
			}
		}
		for who, other := range map[string]string{issuer: second, second: issuer} {
			since, err := d.RevokedSince(t.Context(), who, 0)
			require.NoError(t, err)
			require.Equal(t, of[who], serialsOf(since))
			var listed []Serial
			for r, err := range d.Revocations(t.Context(), who, 1000, time.Now()) {
				require.NoError(t, err)
				require.Equal(t, who, r.Issuer)
				listed = append(listed, r.Serial)
			}
			require.Equal(t, of[who], listed)
			for _, r := range since {
				require.Equal(t, who, r.Issuer)
				require.Contains(t, heard, r)
				issued, _, err := d.Status(t.Context(), other, r.Serial)
				require.NoError(t, err)
				require.Equal(t, NeverIssued, issued, "the other one never issued it")
			}
		}
		counts, err := d.CountByIssuer(t.Context())
		require.NoError(t, err)
		require.Len(t, counts, 2)
		require.EqualValues(t, 3, counts[second].Live)
		require.EqualValues(t, 3, counts[second].Revoked)
		require.WithinDuration(t, time.Now().Add(24*time.Hour), counts[second].Last, time.Minute)
		live, err := d.LiveIssuers(t.Context(), time.Now())
		require.NoError(t, err)
		require.Len(t, live, 2)
		require.True(t, live[second])
		live, err = d.LiveIssuers(t.Context(), time.Now().Add(25*time.Hour))
		require.NoError(t, err)
		require.Empty(t, live)
	})
}

// What was renewed is nobody's certificate any more, and so are those that the daemon
// itself had; what is revoked is not counted.
func TestCountReplaced(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		identity(t, d, "ca/self")
		first := issued(t, d, "device/a")
		second := certificate("device/a")
		second.Parent = &first.Serial
		must(t, d, func(tx *Tx) {
			tx.InsertCertificate(second)
			tx.RecordChild(first.Serial, second.Serial, nil)
		})
		issued(t, d, "ca/self")
		counts, err := d.countReplaced(t.Context(), time.Now(), "ca")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{issuer: 2}, counts)
		require.NoError(t, revokeSerial(d, first.Serial))
		counts, err = d.countReplaced(t.Context(), time.Now(), "ca")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{issuer: 1}, counts)
	})
}

// Nothing is recorded of an issuer that is not on record; recording one twice, or
// two at the same moment, is no error.
func TestAddIssuer(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		c := certificate("device/a")
		c.Issuer = "ab"
		require.Error(t, update(d, func(tx *Tx) { tx.InsertCertificate(c) }))
		_, err := d.Certificate(t.Context(), c.Serial)
		require.ErrorIs(t, err, ErrNotFound)
		for _, err := range parallel(6, func(i int) error {
			return d.AddIssuer(context.Background(), []string{"ab", "cd", "ef"}[i%3])
		}) {
			require.NoError(t, err)
		}
		must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
	})
}
