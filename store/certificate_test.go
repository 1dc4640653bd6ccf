package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// A certificate is recorded only if everything that it was decided on still
// holds; otherwise nothing of the call is.
func TestInsertCertificateStale(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		parent := issued(t, d, "device/a")
		revoked := issued(t, d, "device/a")
		require.NoError(t, revokeSerial(d, revoked.Serial)) // revision 2
		for _, tt := range []struct {
			name   string
			change func(*Certificate)
			before func(*Tx)
			want   error
		}{
			{"as decided", func(*Certificate) {}, nil, nil},
			{"with a parent", func(c *Certificate) { c.Parent = &parent.Serial }, nil, nil},
			{"older revision", func(c *Certificate) { c.Revision = 1 }, nil, ErrStale},
			{"later revision", func(c *Certificate) { c.Revision = 3 }, nil, ErrStale},
			{"another policy", func(c *Certificate) { c.Policy = 1 }, nil, ErrStale},
			{"revoked parent", func(c *Certificate) { c.Parent = &revoked.Serial }, nil, ErrStale},
			{"unknown identity", func(c *Certificate) { c.Identity = "device/b" }, nil, ErrStale},
			{"suspended in the same call", func(*Certificate) {}, func(tx *Tx) { tx.SetState("device/a", []State{Active}, Suspended) }, ErrStale},
			{"replaced in the same call", func(c *Certificate) { c.Revision = 3 }, func(tx *Tx) { tx.ReplaceCertificates("device/a", 2) }, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := certificate("device/a")
				c.Revision = 2
				tt.change(&c)
				err := update(d, func(tx *Tx) {
					if tt.before != nil {
						tt.before(tx)
					}
					tx.InsertCertificate(c)
				})
				require.ErrorIs(t, err, tt.want)
				got, err := d.Certificate(t.Context(), c.Serial)
				if tt.want != nil {
					require.ErrorIs(t, err, ErrNotFound)
					_, err = d.CertificateByKey(t.Context(), c.SPKI)
					require.ErrorIs(t, err, ErrNotFound)
					return
				}
				require.NoError(t, err)
				require.Equal(t, c.DER, got.DER)
				require.Equal(t, c.Parent, got.Parent)
				require.Equal(t, c.NotAfter.UnixMilli(), got.NotAfter.UnixMilli())
			})
		}
		verify(t, d)
	})
}

// Whatever changes an identity makes older decisions stale.
func TestRevisionRises(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		serial := issued(t, d, "device/a").Serial
		for i, change := range []func() error{
			func() error {
				return update(d, func(tx *Tx) { tx.SetState("device/a", []State{Active}, Suspended) })
			},
			func() error {
				return update(d, func(tx *Tx) { tx.SetState("device/a", []State{Suspended, Retired}, Active) })
			},
			func() error { return update(d, func(tx *Tx) { tx.ReplaceCertificates("device/a", 3) }) },
			func() error { return alone(d, (*AloneTx).RevokeCertificates, "device/a") },
			func() error { return alone(d, (*AloneTx).RevokeIdentity, "device/a") },
		} {
			require.NoError(t, change())
			id, err := d.Identity(t.Context(), "device/a")
			require.NoError(t, err)
			require.EqualValues(t, i+2, id.Revision)
		}
		require.NoError(t, revokeSerial(d, serial)) // revoked already: nothing changes
		id, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.EqualValues(t, 6, id.Revision)
		require.Equal(t, Revoked, id.State)
	})
}

// A new policy voids what was decided under the one before, and only its
// successor replaces it.
func TestSetPolicy(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		none, err := d.CurrentPolicy(t.Context())
		require.NoError(t, err)
		require.Equal(t, Policy{}, none)

		first := Policy{Version: 1, Text: []byte("[role.device]"), Digest: [32]byte{1}, Actor: "uid:0"}
		must(t, d, func(tx *Tx) { tx.SetPolicy(first) })
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.SetPolicy(first) }), ErrStale)
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.SetPolicy(Policy{Version: 3, Text: []byte("x")}) }), ErrStale)

		got, err := d.CurrentPolicy(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), got.Loaded, time.Minute)
		got.Loaded = time.Time{}
		require.Equal(t, first, got)

		c := certificate("device/a")
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertCertificate(c) }), ErrStale)
		c.Policy = 1
		must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
	})
}

// A public key belongs to one identity for ever; renewed under the same identity
// it is found by its newest certificate, unless it has to be new.
func TestKeyBelongsToOneIdentity(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		identity(t, d, "device/b")
		first := issued(t, d, "device/a")

		again := certificate("device/a")
		again.SPKI = first.SPKI
		again.Rekey = true
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertCertificate(again) }), ErrKeyTaken)
		again.Rekey = false
		must(t, d, func(tx *Tx) { tx.InsertCertificate(again) })
		got, err := d.CertificateByKey(t.Context(), first.SPKI)
		require.NoError(t, err)
		require.Equal(t, again.Serial, got.Serial)

		require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, "device/a"))
		other := certificate("device/b")
		other.SPKI = first.SPKI
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertCertificate(other) }), ErrKeyTaken)
	})
}

// A name is reserved to the identity that has it, until that gives it back; a
// role that shares names reserves them to the role.
func TestNameBelongsToOneHolder(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, path := range []string{"device/a", "device/b", "service/a", "service/b"} {
			identity(t, d, path)
		}
		named := func(path string, shares bool) error {
			c := certificate(path)
			c.DNSNames, c.IPs, c.SharesNames = []string{"x.example", "y.example"}, []string{"10.0.0.1"}, shares
			return update(d, func(tx *Tx) { tx.InsertCertificate(c) })
		}
		require.NoError(t, named("device/a", false))
		require.NoError(t, named("device/a", false))
		require.ErrorIs(t, named("device/b", false), ErrNameTaken)
		require.ErrorIs(t, named("service/a", true), ErrNameTaken)

		holder, err := d.NameHolder(t.Context(), "10.0.0.1")
		require.NoError(t, err)
		require.Equal(t, "device/a", holder)

		must(t, d, func(tx *Tx) { tx.FreeNames("device/a") })
		_, err = d.NameHolder(t.Context(), "x.example")
		require.ErrorIs(t, err, ErrNotFound)
		require.NoError(t, named("service/a", true))
		require.NoError(t, named("service/b", true))
		require.ErrorIs(t, named("device/a", false), ErrNameTaken)
	})
}

// A certificate has one child. Of any number of renewals of the same parent one
// is recorded; a second child is recorded only by who saw the first, and marks
// the parent.
func TestRecordChild(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		parent := issued(t, d, "device/a").Serial
		children := make([]Serial, 50)
		for i := range children {
			children[i] = issued(t, d, "device/a").Serial
		}
		won := -1
		for i, err := range parallel(len(children), func(i int) error {
			return update(d, func(tx *Tx) { tx.RecordChild(parent, children[i], nil) })
		}) {
			if err == nil {
				require.Equal(t, -1, won)
				won = i
			} else {
				require.ErrorIs(t, err, ErrForked)
			}
		}
		holder, err := d.Holder(t.Context(), parent)
		require.NoError(t, err)
		require.Equal(t, &children[won], holder.Child)
		require.False(t, holder.Forked)
		require.False(t, holder.ChildConfirmed)

		require.NoError(t, d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.Confirm(children[won]) }))
		other := children[(won+1)%len(children)]
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.RecordChild(parent, other, &other) }), ErrForked)
		must(t, d, func(tx *Tx) { tx.RecordChild(parent, other, &children[won]) })
		holder, err = d.Holder(t.Context(), parent)
		require.NoError(t, err)
		require.Equal(t, &other, holder.Child)
		require.True(t, holder.Forked)

		holder, err = d.Holder(t.Context(), children[won])
		require.NoError(t, err)
		require.True(t, holder.Confirmed)
		require.Nil(t, holder.Child)
		require.Nil(t, holder.Revocation)
		require.Equal(t, "device/a", holder.Identity.Path)
	})
}

func revokeSerial(d *DB, serial Serial) error {
	return d.UpdateAlone(context.Background(), func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
		_, _, err := tx.RevokeCertificate(ctx, serial, 1)
		return event(), err
	})
}

func alone(d *DB, do func(*AloneTx, context.Context, string, int) (Fall, error), path string) error {
	return d.UpdateAlone(context.Background(), func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
		_, err := do(tx, ctx, path, 1)
		return event(), err
	})
}
