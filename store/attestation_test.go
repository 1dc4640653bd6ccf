package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An attestation key is of one TPM and one identity for ever: shown again by the same
// it is good for longer, and by any other it is refused.
func TestAttestation(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		one := Attestation{AK: [32]byte{1}, EK: [32]byte{2}, Identity: "device/SN-1", Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()}
		_, err := d.Attestation(ctx, one.AK)
		require.ErrorIs(t, err, ErrNotFound)
		record := func(a Attestation) error { return update(d, func(tx *Tx) { tx.RecordAttestation(a) }) }
		require.NoError(t, record(one))
		later := one
		later.Expires = one.Expires.Add(time.Hour)
		require.NoError(t, record(later))
		got, err := d.Attestation(ctx, one.AK)
		require.NoError(t, err)
		later.Created = got.Created
		require.Equal(t, later, got)

		otherTPM, otherIdentity := one, one
		otherTPM.EK[0], otherIdentity.Identity = 9, "device/SN-2"
		require.ErrorIs(t, record(otherTPM), ErrKeyTaken)
		require.ErrorIs(t, record(otherIdentity), ErrKeyTaken)
		got, err = d.Attestation(ctx, one.AK)
		require.NoError(t, err)
		require.Equal(t, later, got)
	})
}

// The certificate of an attestation key can be had before its identity is active, but
// not once it is stopped; and its key is never anything else, whoever comes first.
func TestAttestationCertificate(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		pending := func(path string) {
			role, name := splitPath(path)
			must(t, d, func(tx *Tx) { tx.CreateIdentity(Identity{Path: path, Role: role, Name: name, State: Pending}) })
		}
		attestation := func(path string) Certificate {
			c := certificate(path)
			c.Method = MethodAttestation
			return c
		}
		insert := func(c Certificate) error { return update(d, func(tx *Tx) { tx.InsertCertificate(c) }) }
		pending("device/a")
		first := attestation("device/a")
		require.NoError(t, insert(first))
		again := attestation("device/a")
		again.SPKI = first.SPKI
		require.NoError(t, insert(again))
		require.ErrorIs(t, insert(certificate("device/a")), ErrStale) // pending: nothing else

		identity(t, d, "device/b")
		require.NoError(t, insert(attestation("device/b")))
		stolen := attestation("device/b")
		stolen.SPKI = first.SPKI
		require.ErrorIs(t, insert(stolen), ErrKeyTaken)

		// An attestation key does not become a machine's, nor the other way about.
		must(t, d, func(tx *Tx) { tx.ActivateIdentity("device/a", 1) })
		tls := certificate("device/a")
		tls.SPKI = first.SPKI
		require.ErrorIs(t, insert(tls), ErrKeyTaken)
		tls = issued(t, d, "device/a")
		other := attestation("device/a")
		other.SPKI = tls.SPKI
		require.ErrorIs(t, insert(other), ErrKeyTaken)

		for _, state := range []State{Suspended, Retired, Revoked} {
			must(t, d, func(tx *Tx) { tx.SetState("device/a", []State{Active, Suspended, Retired}, state) })
			id, err := d.Identity(t.Context(), "device/a")
			require.NoError(t, err)
			c := attestation("device/a")
			c.Revision = id.Revision
			require.ErrorIs(t, insert(c), ErrStale)
		}
	})
}

// An identity is bound to one TPM, until it is bound to another or to none; and a TPM to one
// identity, until that is bound to another or retired.
func TestBindTPM(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		identity(t, d, "device/b")
		bind := func(path string, ek ...byte) error { return update(d, func(tx *Tx) { tx.BindTPM(path, ek) }) }
		whose := func(ek ...byte) string {
			id, err := d.IdentityByEK(t.Context(), ek)
			if err != nil {
				require.ErrorIs(t, err, ErrNotFound)
			}
			return id.Path
		}
		require.NoError(t, bind("device/a", 1))
		require.NoError(t, bind("device/a", 2))
		require.Equal(t, []string{"", "device/a"}, []string{whose(1), whose(2)})
		id, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.Equal(t, []byte{2}, id.EK)
		require.ErrorIs(t, bind("device/b", 2), ErrKeyTaken)
		must(t, d, func(tx *Tx) { tx.FreeTPM("device/a") })
		require.Empty(t, whose(2))
		require.NoError(t, bind("device/b", 2))
		require.ErrorIs(t, bind("device/a", 2), ErrKeyTaken)
		must(t, d, func(tx *Tx) { tx.SetState("device/b", []State{Active}, Retired) })
		require.NoError(t, bind("device/a", 2))
		require.Equal(t, "device/a", whose(2))
		require.ErrorIs(t, bind("device/c", 1), ErrKeyTaken)
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.FreeTPM("device/c") }), ErrNotFound)
	})
}
