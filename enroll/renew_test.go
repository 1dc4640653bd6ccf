package enroll_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"math/big"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// renew presents parent and asks for a certificate for the key of csr.
func renew(t *testing.T, c *enrolltest.CA, parent *x509.Certificate, csr []byte) (*x509.Certificate, error) {
	holder, err := c.Holder(t.Context(), parent, home)
	if err != nil {
		return nil, err
	}
	return c.Renew(t.Context(), holder, csr)
}

func newCSR(t *testing.T) []byte { return enrolltest.CSR(t, enrolltest.NewKey(t)) }

func confirm(t *testing.T, c *enrolltest.CA, cert *x509.Certificate) {
	t.Helper()
	holder, err := c.Holder(t.Context(), cert, home)
	require.NoError(t, err)
	require.NoError(t, c.Confirm(t.Context(), holder))
	require.NoError(t, c.Confirm(t.Context(), holder), "twice")
}

// A certificate is renewed again and again, each time by the last one and for a
// new key, and each knows its parent.
func TestRenew(t *testing.T) {
	c := enrolltest.New(t)
	cert := enrolled(t, c, "device", "pump-1")
	for range 5 {
		child, err := renew(t, c, cert, newCSR(t))
		require.NoError(t, err)
		require.Equal(t, cert.URIs, child.URIs)
		row, err := c.Store.Certificate(t.Context(), store.SerialOf(child))
		require.NoError(t, err)
		require.Equal(t, store.SerialOf(cert), *row.Parent)
		confirm(t, c, child)
		cert = child
	}
	require.Empty(t, c.Audit("certificate.fork"))
	require.False(t, c.Identity("device/pump-1").Suspect)
}

// The log says by how much the clock of who asks is off, if it is off by a minute or more.
func TestClock(t *testing.T) {
	c := enrolltest.New(t)
	cert := enrolled(t, c, "device", "pump-1")
	for _, off := range []time.Duration{0, 50 * time.Second, -210 * time.Second, time.Hour + 30*time.Second} {
		holder, err := c.Holder(t.Context(), cert, home)
		require.NoError(t, err)
		holder.Sent = c.Now().Add(off)
		cert, err = c.Renew(t.Context(), holder, newCSR(t))
		require.NoError(t, err)
	}
	_, err := c.Admit(t.Context(), enroll.Claim{
		CSR: newCSR(t), From: home, Token: c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"}), Sent: c.Now().Add(-24 * time.Hour),
	})
	require.NoError(t, err)
	var said []int64
	for _, e := range c.Audit("certificate.issue") {
		off, _ := e.Detail["clock"].(json.Number)
		seconds, _ := off.Int64()
		said = append(said, seconds/60)
	}
	require.Equal(t, []int64{0, 0, 0, -3, 60, -24 * 60}, said)
}

// A certificate by an issuer's key that is not on record is more than a stranger's: the log
// says whose it claims to be. One that is a stranger's, or has ended, is not.
func TestUnissued(t *testing.T) {
	c := enrolltest.New(t)
	key := enrolltest.NewKey(t)
	id, err := url.Parse("spiffe://" + enrolltest.TrustDomain + "/device/pump-9")
	require.NoError(t, err)
	forged := func(by crypto.Signer, ends time.Time) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(0xabc), NotBefore: c.Now().Add(-time.Hour), NotAfter: ends, URIs: []*url.URL{id}}
		issuer := *c.Authority.Certificate()
		issuer.PublicKey = by.Public()
		der, err := x509.CreateCertificate(rand.Reader, template, &issuer, key.Public(), by)
		require.NoError(t, err)
		cert, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return cert
	}
	for _, cert := range []*x509.Certificate{
		forged(c.IssuingKey, c.Now().Add(time.Hour)), forged(key, c.Now().Add(time.Hour)), forged(c.IssuingKey, c.Now().Add(-time.Minute)),
	} {
		_, err := c.Holder(t.Context(), cert, home)
		require.ErrorIs(t, err, enroll.ErrUnauthenticated)
	}
	c.Stop()
	entries := c.Audit("certificate.refuse")
	require.Len(t, entries, 3)
	slices.SortFunc(entries, func(a, b audit.Entry) int { return len(b.Detail) - len(a.Detail) })
	require.Equal(t, map[string]any{"proof": "certificate:00000000000000000000000000000abc", "void": "unissued", "claims": "device/pump-9"}, entries[0].Detail)
	require.Equal(t, "stranger", entries[0].Actor)
	for _, e := range entries[1:] {
		require.Equal(t, "not a certificate of ours", e.Outcome)
		require.Empty(t, e.Detail)
	}
}

// The same parent with the same key gets the same child until that is confirmed;
// also when all ask at once, on every engine.
func TestRenewLostReply(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		parent := enrolled(t, c, "device", "pump-1")
		csr := newCSR(t)
		certs, errs := race(16, func(int) (*x509.Certificate, error) { return renew(t, c, parent, csr) }) // as many as have a turn at once
		require.Empty(t, errs)
		c.Advance(time.Hour)
		again, err := renew(t, c, parent, csr)
		require.NoError(t, err)
		for _, cert := range certs {
			require.Equal(t, again.Raw, cert.Raw)
		}
		require.Equal(t, 2, c.Certificates("device/pump-1"))
		require.Empty(t, c.Audit("certificate.fork"))
		require.False(t, c.Identity("device/pump-1").Suspect)
	})
}

// A second key from the same parent is a recorded, alarmed fork, and served. Both
// holders then get on as they did: what is a retry of either is no further fork.
func TestForkIsServed(t *testing.T) {
	c := enrolltest.New(t)
	parent := enrolled(t, c, "device", "pump-1")
	honest, thief := newCSR(t), newCSR(t)
	first, err := renew(t, c, parent, honest)
	require.NoError(t, err)
	second, err := renew(t, c, parent, thief)
	require.NoError(t, err)
	require.NotEqual(t, first.Raw, second.Raw)

	entries := c.Audit("certificate.fork")
	require.Len(t, entries, 1)
	require.Equal(t, "device/pump-1", entries[0].Subject)
	require.Equal(t, store.SerialOf(first).String(), entries[0].Detail["child"])
	require.True(t, c.Identity("device/pump-1").Suspect)
	h, err := c.Store.Holder(t.Context(), store.SerialOf(parent))
	require.NoError(t, err)
	require.True(t, h.Forked)

	for _, again := range []struct {
		csr  []byte
		want *x509.Certificate
	}{{honest, first}, {thief, second}} {
		got, err := renew(t, c, parent, again.csr)
		require.NoError(t, err)
		require.Equal(t, again.want.Raw, got.Raw)
	}
	require.Len(t, c.Audit("certificate.fork"), 1)
}

// A parent that asks after its child was in use is a fork, be it with the same key
// or with another; whether the child was confirmed, or was renewed itself.
func TestForkAfterUse(t *testing.T) {
	use := map[string]func(t *testing.T, c *enrolltest.CA, child *x509.Certificate){
		"confirmed": confirm,
		"renewed": func(t *testing.T, c *enrolltest.CA, child *x509.Certificate) {
			_, err := renew(t, c, child, newCSR(t))
			require.NoError(t, err)
		},
	}
	for name, use := range use {
		t.Run(name, func(t *testing.T) {
			c := enrolltest.New(t)
			parent := enrolled(t, c, "device", "pump-1")
			csr := newCSR(t)
			child, err := renew(t, c, parent, csr)
			require.NoError(t, err)
			use(t, c, child)
			require.Empty(t, c.Audit("certificate.fork"))

			again, err := renew(t, c, parent, csr)
			require.NoError(t, err)
			require.Equal(t, child.Raw, again.Raw)
			require.Len(t, c.Audit("certificate.fork"), 1)
			_, err = renew(t, c, parent, newCSR(t))
			require.NoError(t, err)
			require.Len(t, c.Audit("certificate.fork"), 2)
			require.True(t, c.Identity("device/pump-1").Suspect)
		})
	}
}

// Where the role says fork = "refuse", a fork is recorded and gets nothing.
func TestForkIsRefused(t *testing.T) {
	c := enrolltest.New(t)
	parent := enrolled(t, c, "gateway", "gw-1")
	csr := newCSR(t)
	child, err := renew(t, c, parent, csr)
	require.NoError(t, err)
	var denied *ca.DeniedError
	_, err = renew(t, c, parent, newCSR(t))
	require.ErrorAs(t, err, &denied)
	require.ErrorAs(t, err, new(*enroll.ForkedError))
	require.ErrorContains(t, err, "set back to an older state such as a snapshot, has to enrol anew: betonica token create --role gateway --name gw-1 --replace")
	require.EqualValues(t, 1, c.Counts().Refused[enroll.ReasonForked])
	again, err := renew(t, c, parent, csr)
	require.NoError(t, err, "a retry is no fork")
	require.Equal(t, child.Raw, again.Raw)
	confirm(t, c, child)
	_, err = renew(t, c, parent, csr)
	require.ErrorAs(t, err, &denied)

	require.Equal(t, 2, c.Certificates("gateway/gw-1"))
	require.Len(t, c.Audit("certificate.fork"), 2)
	require.Len(t, c.Audit("certificate.refuse"), 2)
	require.True(t, c.Identity("gateway/gw-1").Suspect)
}

// Of racers with a key each, one has the child, and every other certificate that
// comes out is of a recorded fork; on every engine.
func TestForkRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		parent := enrolled(t, c, "device", "pump-1")
		certs, errs := race(16, func(int) (*x509.Certificate, error) { return renew(t, c, parent, newCSR(t)) })
		for _, err := range errs {
			require.ErrorIs(t, err, store.ErrForked)
		}
		require.NotEmpty(t, certs)
		require.Equal(t, 1+len(certs), c.Certificates("device/pump-1"))
		require.Len(t, c.Audit("certificate.fork"), 15, "all but one")
		require.Len(t, c.Audit("certificate.refuse"), len(errs))
	})
}

// A key is certified once: the identity's own is refused, another's is refused and
// makes the one who asks suspect.
func TestKeyTaken(t *testing.T) {
	c := enrolltest.New(t)
	key := enrolltest.NewKey(t)
	one, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, enrolltest.CSR(t, key))
	require.NoError(t, err)
	two := enrolled(t, c, "device", "pump-2")

	_, err = renew(t, c, one, enrolltest.CSR(t, key))
	require.ErrorIs(t, err, store.ErrKeyTaken)
	require.False(t, c.Identity("device/pump-1").Suspect)

	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true}), home, enrolltest.CSR(t, key))
	require.ErrorIs(t, err, store.ErrKeyTaken, "what one token bought is no retry of another")
	require.False(t, c.Identity("device/pump-1").Suspect)

	_, err = renew(t, c, two, enrolltest.CSR(t, key))
	require.ErrorIs(t, err, store.ErrKeyTaken)
	require.True(t, c.Identity("device/pump-2").Suspect)
	require.False(t, c.Identity("device/pump-1").Suspect)
	require.Len(t, c.Audit("identity.suspect"), 1)

	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-*"}), home, enrolltest.CSR(t, key, "device/pump-3"))
	require.ErrorIs(t, err, store.ErrKeyTaken)
	require.Len(t, c.Audit("identity.suspect"), 2)
	require.Len(t, c.Audit("certificate.refuse"), 4)
	require.Len(t, c.Audit("certificate.issue"), 2)
}

// Only a certificate that is ours byte for byte, in time, not revoked and of an
// active identity makes a holder; who presents another is recorded.
func TestHolder(t *testing.T) {
	c := enrolltest.New(t)
	cert := enrolled(t, c, "device", "pump-1")
	other := enrolltest.New(t)
	foreign := enrolled(t, other, "device", "pump-1")
	forged := *foreign
	forged.SerialNumber = cert.SerialNumber
	long := *foreign
	long.SerialNumber = new(big.Int).Lsh(cert.SerialNumber, 64)

	for name, cert := range map[string]*x509.Certificate{"none": nil, "foreign": foreign, "our serial": &forged, "long serial": &long} {
		_, err := c.Holder(t.Context(), cert, home)
		require.Equal(t, enroll.ErrUnauthenticated, err, name)
	}
	holder, err := c.Holder(t.Context(), cert, home)
	require.NoError(t, err)
	require.Equal(t, "device/pump-1", holder.Applicant.ID.Path())

	var denied *ca.DeniedError
	c.Advance(24 * time.Hour)
	_, err = c.Holder(t.Context(), cert, home)
	require.ErrorAs(t, err, &denied)
	require.ErrorContains(t, err, "expired")
	c.Advance(-48 * time.Hour)
	_, err = c.Holder(t.Context(), cert, home)
	require.ErrorAs(t, err, &denied)
	c.Advance(24 * time.Hour)

	_, err = c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	_, err = c.Holder(t.Context(), cert, home)
	require.ErrorAs(t, err, &denied)
	require.ErrorContains(t, err, "suspended")
	_, err = c.Resume(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)

	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true}), home, newCSR(t))
	require.NoError(t, err)
	_, err = c.Holder(t.Context(), cert, home)
	require.ErrorAs(t, err, &denied)
	require.ErrorContains(t, err, "revoked")

	c.Stop()
	require.Len(t, c.Audit("certificate.refuse"), 8)
}

// RenewAfter lies between a half and two thirds of the life after issue, is spread
// evenly over the certificates, and does not change.
func TestRenewAfter(t *testing.T) {
	now := time.Now()
	cert := &x509.Certificate{NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(24 * time.Hour)}
	var thirds [3]int
	for range 3000 {
		var serial [16]byte
		binary.BigEndian.PutUint64(serial[:], uint64(now.UnixMilli())<<16)
		rand.Read(serial[6:])
		cert.SerialNumber = new(big.Int).SetBytes(serial[:])
		at := enroll.RenewAfter(cert)
		require.Equal(t, at, enroll.RenewAfter(cert))
		after := at.Sub(now)
		require.GreaterOrEqual(t, after, 12*time.Hour-time.Second)
		require.Less(t, after, 16*time.Hour+time.Second)
		thirds[min(2, int((after-12*time.Hour)/(80*time.Minute)))]++
	}
	for _, n := range thirds {
		require.InDelta(t, 1000, n, 150) // 5.8 standard deviations
	}
}
