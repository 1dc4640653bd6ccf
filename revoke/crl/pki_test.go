package crl_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"iter"
	"math/big"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// now is what the clock shows in these tests.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A party is a certificate and its key.
type party struct {
	*x509.Certificate
	crypto.Signer
}

// key returns the P-256 key number n: the same one in every process, since fuzzing
// runs in several.
func key(t testing.TB, n byte) crypto.Signer {
	raw := make([]byte, 32)
	raw[0], raw[31] = 0x42, n
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	require.NoError(t, err)
	return k
}

// authority makes a CA of this name that signs with signer.
func authority(t testing.TB, name string, signer crypto.Signer, edit func(*x509.Certificate)) party {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.AddDate(-1, 0, 0), // foreign programs look at a clock of their own
		NotAfter:              now.AddDate(50, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if edit != nil {
		edit(template)
	}
	return issue(t, template, party{template, signer}, signer)
}

func issue(t testing.TB, template *x509.Certificate, by party, signer crypto.Signer) party {
	der, err := x509.CreateCertificate(rand.Reader, template, by.Certificate, signer.Public(), by.Signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return party{certificate, signer}
}

// signers are one key of each kind that an issuer may have.
func signers(t testing.TB) map[string]crypto.Signer {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsaKey()
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return map[string]crypto.Signer{"P-256": key(t, 1), "P-384": p384, "RSA": rsaKey, "Ed25519": ed}
}

// rsaKey is made once: it takes as long as many a test.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// serial returns our kind of serial number: 16 octets, of which the first is not zero.
func serial(n uint64) (s crl.Serial) {
	copy(s[4:], "\x01\x9a\xbc\xde\xf0\x12\x80\xff")
	binary.BigEndian.PutUint64(s[12:], n)
	return s
}

// entries yields n of them in order, revoked a second apart for every reason in turn.
func entries(n int) iter.Seq2[crl.Entry, error] {
	reasons := []crl.Reason{crl.Unspecified, crl.KeyCompromise, crl.Superseded, crl.CessationOfOperation, crl.PrivilegeWithdrawn}
	return func(yield func(crl.Entry, error) bool) {
		for i := range n {
			e := crl.Entry{Serial: serial(uint64(i)), RevokedAt: now.Add(-time.Duration(i) * time.Second), Reason: reasons[i%len(reasons)]}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func collect(t testing.TB, n int) crl.Set {
	set, err := crl.Collect(n, entries(n))
	require.NoError(t, err)
	return set
}

// set makes a Set of just these.
func set(t testing.TB, list ...crl.Entry) crl.Set {
	s, err := crl.Collect(0, func(yield func(crl.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	return s
}

// template is for list number n, a delta to base unless that is 0.
func template(n, base int64) crl.Template {
	return crl.Template{Number: n, Base: base, ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour)}
}

func encode(t testing.TB, by party, p crl.Template, s crl.Set) []byte {
	var b bytes.Buffer
	require.NoError(t, crl.Encode(&b, by.Certificate, by.Signer, p, s))
	return b.Bytes()
}

func open(t testing.TB, by party, der []byte) *crl.List {
	l, err := crl.Open(der, by.Certificate)
	require.NoError(t, err)
	return l
}

// witness runs a foreign program and returns what it said. A machine without the
// program leaves the test out, aloud; where everything has to be there it fails.
func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := ask(t, name, args...)
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return out
}

// ask is witness for a program that may say no.
func ask(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(name + " is not installed")
		}
		t.Skip(name + " is not installed")
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}
