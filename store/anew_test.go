package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What an identity holds is what is in time and not revoked, and no attestation key's; it
// enrols anew only while that is nothing, and at the revision that was read.
func TestEnrolAnew(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		anew := func(revision int64) error {
			return update(d, func(tx *Tx) { tx.EnrolAnew("device/a", revision) })
		}
		until, err := d.LiveUntil(t.Context(), "device/a")
		require.NoError(t, err)
		require.True(t, until.IsZero())
		_, err = d.NewestCertificate(t.Context(), "device/a")
		require.ErrorIs(t, err, ErrNotFound)

		old := certificate("device/a")
		old.NotAfter = d.cfg.Now().Add(-time.Hour)
		must(t, d, func(tx *Tx) { tx.InsertCertificate(old) })
		attestation := certificate("device/a")
		attestation.Method = MethodAttestation
		must(t, d, func(tx *Tx) { tx.InsertCertificate(attestation) })
		until, err = d.LiveUntil(t.Context(), "device/a")
		require.NoError(t, err)
		require.True(t, until.IsZero(), "expired, and an attestation key's")
		newest, err := d.NewestCertificate(t.Context(), "device/a")
		require.NoError(t, err)
		require.Equal(t, old.Serial, newest)
		require.ErrorIs(t, anew(2), ErrSpent)
		require.NoError(t, anew(1))
		require.ErrorIs(t, anew(1), ErrSpent)

		live := certificate("device/a")
		live.Revision = 2
		must(t, d, func(tx *Tx) { tx.InsertCertificate(live) })
		until, err = d.LiveUntil(t.Context(), "device/a")
		require.NoError(t, err)
		require.Equal(t, live.NotAfter.UnixMilli(), until.UnixMilli())
		require.ErrorIs(t, anew(2), ErrSpent)
		id, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.EqualValues(t, 2, id.Revision, "what is refused changes nothing")
		must(t, d, func(tx *Tx) { tx.ReplaceCertificates("device/a", 2) })
		require.NoError(t, anew(3))
		require.ErrorIs(t, anew(3), ErrSpent)
		require.NoError(t, update(d, func(tx *Tx) { tx.SetState("device/a", []State{Active}, Suspended) }))
		require.ErrorIs(t, anew(5), ErrSpent)
	})
}

// A pending identity is activated once, and remembers the first birth key, until another
// one is let in.
func TestBirthKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		must(t, d, func(tx *Tx) {
			tx.CreateIdentity(Identity{Path: "device/b", Role: "device", Name: "b", State: Pending})
		})
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.ActivateOnce("device/b", 2) }), ErrSpent)
		require.NoError(t, update(d, func(tx *Tx) { tx.ActivateOnce("device/b", 1) }))
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.ActivateOnce("device/b", 1) }), ErrSpent)
		bind := func(key byte, another bool) error {
			return update(d, func(tx *Tx) { tx.BindBirth("device/b", [32]byte{key}, another) })
		}
		require.NoError(t, bind(1, false))
		require.NoError(t, bind(1, false))
		require.ErrorIs(t, bind(2, false), ErrStale)
		require.NoError(t, bind(2, true))
		require.ErrorIs(t, bind(1, false), ErrStale)
		id, err := d.Identity(t.Context(), "device/b")
		require.NoError(t, err)
		key := [32]byte{2}
		require.Equal(t, key[:], id.BirthSPKI)
	})
}

// A birth key is one identity's, also when that has another board by now, until it is
// retired; and it is never certified.
func TestBirthKeyOfOne(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, path := range []string{"device/a", "device/b"} {
			identity(t, d, path)
		}
		bind := func(path string, key byte) error {
			return update(d, func(tx *Tx) { tx.BindBirth(path, [32]byte{key}, true) })
		}
		whose := func(key byte) string {
			id, err := d.BirthHolder(t.Context(), [32]byte{key})
			if err != nil {
				require.ErrorIs(t, err, ErrNotFound)
			}
			return id.Path
		}
		require.Empty(t, whose(1))
		require.NoError(t, bind("device/a", 1))
		require.NoError(t, bind("device/a", 2))
		require.ErrorIs(t, bind("device/b", 1), ErrKeyTaken)
		require.ErrorIs(t, bind("device/b", 2), ErrKeyTaken)
		require.Equal(t, []string{"device/a", "device/a"}, []string{whose(1), whose(2)})
		c := certificate("device/a")
		c.SPKI = [32]byte{1}
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertCertificate(c) }), ErrKeyTaken)
		c.SPKI = [32]byte{3}
		must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
		require.ErrorIs(t, bind("device/a", 3), ErrKeyTaken)
		require.Empty(t, whose(3))
		must(t, d, func(tx *Tx) { tx.SetState("device/a", []State{Active}, Revoked) })
		require.ErrorIs(t, bind("device/b", 2), ErrKeyTaken)
		must(t, d, func(tx *Tx) { tx.SetState("device/a", []State{Revoked}, Retired) })
		require.NoError(t, bind("device/b", 2))
		require.Equal(t, "device/b", whose(2))
		identity(t, d, "spare-device/a") // which ends like the retired one
		c = certificate("spare-device/a")
		c.SPKI = [32]byte{4}
		must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
		require.ErrorIs(t, bind("device/b", 4), ErrKeyTaken)
	})
}
