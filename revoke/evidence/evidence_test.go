package evidence_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/evidence"
)

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// An issuer signs lists.
type issuer struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func newIssuer(t testing.TB, name string) issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now, NotAfter: now.Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte(name),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return issuer{cert, key}
}

// list signs a list of these serial numbers; base 0: a full one.
func (i issuer) list(t testing.TB, number, base int64, serials ...byte) []byte {
	return i.sign(t, crl.Template{Number: number, Base: base, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, serials...)
}

func (i issuer) sign(t testing.TB, template crl.Template, serials ...byte) []byte {
	set, err := crl.Collect(0, func(yield func(crl.Entry, error) bool) {
		for _, n := range serials {
			serial, err := crl.SerialOf([]byte{n})
			if !yield(crl.Entry{Serial: serial, RevokedAt: now, Reason: crl.KeyCompromise}, err) {
				return
			}
		}
	})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, crl.Encode(&out, i.Certificate, i.key, template, set))
	return out.Bytes()
}

func revoked(e *evidence.Evidence) (serials []byte) {
	for _, entry := range e.Revoked() {
		serials = append(serials, entry.Serial.Bytes()...)
	}
	slices.Sort(serials)
	return slices.Compact(serials)
}

func clock() time.Time { return now }

// Whatever is known by one list stays known, in whatever order lists come; an old one
// takes nothing back; and what a delta leaves open is said.
func TestLists(t *testing.T) {
	one, two := newIssuer(t, "one"), newIssuer(t, "two")
	for _, tt := range []struct {
		name   string
		lists  [][]byte
		known  int64 // to the store
		gap    bool
		want   []byte
		number int64
	}{
		{name: "nothing"},
		{name: "a full list", lists: [][]byte{one.list(t, 50, 0, 1, 2)}, want: []byte{1, 2}, number: 50},
		{name: "an older one after it", lists: [][]byte{one.list(t, 50, 0, 1, 2), one.list(t, 40, 0, 1)}, want: []byte{1, 2}, number: 50},
		{name: "an older one before it", lists: [][]byte{one.list(t, 40, 0, 1), one.list(t, 50, 0, 1, 2)}, want: []byte{1, 2}, number: 50},
		{name: "a delta on it", lists: [][]byte{one.list(t, 60, 50, 3), one.list(t, 50, 0, 1, 2)}, want: []byte{1, 2, 3}, number: 60},
		{name: "a delta on what the store knows", lists: [][]byte{one.list(t, 60, 50, 3)}, known: 50, want: []byte{3}, number: 60},
		{name: "a delta on something else", lists: [][]byte{one.list(t, 60, 50, 3)}, known: 49, gap: true, want: []byte{3}, number: 60},
		{name: "deltas on each other", lists: [][]byte{one.list(t, 60, 50, 3), one.list(t, 55, 40, 2)}, known: 40, want: []byte{2, 3}, number: 60},
		{name: "deltas with a gap", lists: [][]byte{one.list(t, 60, 56, 3), one.list(t, 55, 40, 2)}, known: 40, gap: true, want: []byte{2, 3}, number: 60},
		{name: "two issuers", lists: [][]byte{one.list(t, 50, 0, 1), two.list(t, 70, 0, 9)}, want: []byte{1, 9}, number: 70},
		{name: "a gap of one of two", lists: [][]byte{one.list(t, 50, 0, 1), two.list(t, 70, 45, 9)}, gap: true, want: []byte{1, 9}, number: 70},
	} {
		e := evidence.New(clock, one.Certificate, two.Certificate)
		for _, der := range tt.lists {
			_, err := e.Add(der)
			require.NoError(t, err, tt.name)
			news, err := e.Add(der)
			require.NoError(t, err, tt.name)
			require.False(t, news, tt.name)
		}
		require.Equal(t, tt.want, revoked(e), tt.name)
		require.Equal(t, tt.number, e.Number(), tt.name)
		require.Equal(t, tt.gap, e.Gaps(tt.known) != nil, tt.name)
	}
}

// A stranger's list, a forged one, a part and one from the future are no evidence.
func TestRefused(t *testing.T) {
	one, other := newIssuer(t, "one"), newIssuer(t, "one")
	e := evidence.New(clock, one.Certificate)
	good := one.list(t, 50, 0, 1)
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	ahead := one.sign(t, crl.Template{Number: 50, ThisUpdate: now.Add(time.Hour), NextUpdate: now.Add(2 * time.Hour)})
	part := one.sign(t, crl.Template{Number: 50, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Point: "http://ca/crl/x/1/0.crl"})
	for _, tt := range []struct {
		der []byte
		err error
	}{
		{other.list(t, 99, 0, 7), evidence.ErrForeign}, {forged, evidence.ErrForeign}, {ahead, crl.ErrAhead}, {part, evidence.ErrPartial}, {nil, nil}, {good[:40], nil},
	} {
		_, err := e.Add(tt.der)
		require.Error(t, err)
		if tt.err != nil {
			require.ErrorIs(t, err, tt.err)
		}
	}
	require.Zero(t, e.Number())
}

// However many lists come, few are held, and the newest among them.
func TestBounded(t *testing.T) {
	one := newIssuer(t, "one")
	e := evidence.New(clock, one.Certificate)
	for n := range int64(60) {
		_, err := e.Add(one.list(t, 100+n, 50, 1))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(e.Of(one.Certificate)), 16)
	require.EqualValues(t, 159, e.Number())
	_, err := e.Add(one.list(t, 200, 0, 1))
	require.NoError(t, err)
	require.Len(t, e.Of(one.Certificate), 1)
}

// A file is one list in DER, or a bundle, as it is served: the root's list in it is no
// matter here.
func TestFile(t *testing.T) {
	one, root, other := newIssuer(t, "one"), newIssuer(t, "root"), newIssuer(t, "other")
	bundle := func(lists ...[]byte) (text []byte) {
		for _, der := range lists {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
		}
		return text
	}
	e := evidence.New(clock, one.Certificate)
	n, err := e.AddFile(bundle(one.list(t, 50, 0, 1), one.list(t, 60, 50, 2), root.list(t, 1, 0)), root.Certificate)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = e.AddFile(one.list(t, 70, 60, 3), root.Certificate)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []byte{1, 2, 3}, revoked(e))
	for _, text := range [][]byte{root.list(t, 1, 0), bundle(root.list(t, 1, 0))} {
		n, err := e.AddFile(text, root.Certificate)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	for _, text := range [][]byte{nil, []byte("x"), []byte("-----BEGIN X509 CRL-----\n"), other.list(t, 1, 0), bundle(other.list(t, 1, 0))} {
		_, err := e.AddFile(text, root.Certificate)
		require.Error(t, err)
	}
}

// FuzzAdd: no bytes but those that the issuer signed are ever evidence.
func FuzzAdd(f *testing.F) {
	one := newIssuer(f, "one")
	good := one.list(f, 50, 0, 1)
	root := newIssuer(f, "root")
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, der []byte) {
		e := evidence.New(clock, one.Certificate)
		if n, err := e.AddFile(der, root.Certificate); err == nil && n > 0 {
			require.EqualValues(t, 50, e.Number())
		}
	})
}
