package lint

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
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

func issuer(t testing.TB, signer crypto.Signer) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Issuer"}, SubjectKeyId: []byte{1, 2, 3},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func signers(t testing.TB) map[string]crypto.Signer {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsa3072, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return map[string]crypto.Signer{"P-256": p256, "P-384": p384, "Ed25519": ed, "RSA": rsa3072}
}

// entries returns n of them, for every reason that we revoke for in turn.
func entries(t testing.TB, n int) crl.Set {
	reasons := []crl.Reason{crl.Unspecified, crl.KeyCompromise, crl.AffiliationChanged, crl.Superseded, crl.CessationOfOperation, crl.PrivilegeWithdrawn}
	set, err := crl.Collect(n, func(yield func(crl.Entry, error) bool) {
		for i := range n {
			serial, _ := crl.SerialOf([]byte{1, 0x80, byte(i >> 8), byte(i)})
			if !yield(crl.Entry{Serial: serial, RevokedAt: time.Now().Add(-time.Duration(i+1) * time.Minute), Reason: reasons[i%len(reasons)]}, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	return set
}

// kinds are the lists that a daemon publishes, at the bounds of its settings.
func kinds() map[string]crl.Template {
	now := time.Now().UTC().Truncate(time.Second)
	day := crl.Template{Number: 7, ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour)}
	full, delta, shard, minute, month, root := day, day, day, day, day, day
	full.Freshest = "http://ca.hospital.example:8080/crl/ab/delta.crl"
	delta.Base = 6
	shard.Point = "http://ca.hospital.example:8080/crl/ab/4/1.crl"
	minute.NextUpdate = now.Add(time.Minute)
	month.NextUpdate = now.Add(720 * time.Hour)
	month.Number = 1<<63 - 1
	root.NextUpdate = now.Add(365 * 24 * time.Hour)
	return map[string]crl.Template{"full": full, "delta": delta, "shard": shard, "for a minute": minute, "for a month": month, "root": root}
}

// No list of any kind, length and key that a daemon publishes breaks a rule that binds a
// private authority; and every rule that we ignore would be broken by one of them.
func TestCheck(t *testing.T) {
	unused := maps.Clone(ignored)
	for key, signer := range signers(t) {
		cert := issuer(t, signer)
		l, err := NewLinter(cert)
		require.NoError(t, err)
		for kind, template := range kinds() {
			for _, n := range []int{0, 1, 6, 5000} {
				require.NoError(t, l.Check(template, entries(t, n)), "%s %s %d", key, kind, n)
				var der bytes.Buffer
				require.NoError(t, crl.Encode(&der, cert, signer, template, entries(t, min(n, 300))))
				broken, err := check(der.Bytes())
				require.NoError(t, err)
				for _, b := range broken {
					delete(unused, b.rule)
				}
			}
		}
	}
	require.Empty(t, slices.Sorted(maps.Keys(unused)), "ignored for nothing")
}

// A linter that lets everything pass proves nothing: what is wrong in one entry of many,
// or in the header, is found, and so the list would not be published.
func TestCheckFinds(t *testing.T) {
	l, err := NewLinter(issuer(t, signers(t)["P-256"]))
	require.NoError(t, err)
	good := kinds()["full"]
	with := func(e crl.Entry) crl.Set {
		return entries(t, 5000).Apply(set(t, e))
	}
	serial, err := crl.SerialOf([]byte{1, 0x80, 0x0c, 0})
	require.NoError(t, err)
	require.ErrorContains(t, l.Check(good, with(crl.Entry{Serial: serial, RevokedAt: good.ThisUpdate.Add(time.Hour)})), "e_crl_revocation_time")
	require.ErrorContains(t, l.Check(good, with(crl.Entry{Serial: serial, RevokedAt: good.ThisUpdate, Reason: crl.CertificateHold})), "reason")
	backward := good
	backward.NextUpdate = backward.ThisUpdate
	require.Error(t, l.Check(backward, crl.Set{}))
}

func set(t testing.TB, e crl.Entry) crl.Set {
	s, err := crl.Collect(1, func(yield func(crl.Entry, error) bool) { yield(e, nil) })
	require.NoError(t, err)
	return s
}

// BenchmarkCheck is what a list costs more for being linted.
func BenchmarkCheck(b *testing.B) {
	l, err := NewLinter(issuer(b, signers(b)["P-256"]))
	require.NoError(b, err)
	for name, n := range map[string]int{"1": 1, "100000": 60_000} {
		set := entries(b, n)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, l.Check(kinds()["full"], set))
			}
		})
	}
}
