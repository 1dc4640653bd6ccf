// Package wiretest makes the certificates that tests of sinks need, in files as operators
// have them. Only tests import it.
package wiretest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An Authority issues certificates to receivers and senders.
type Authority struct {
	CAFile string // its own certificate
	Pool   *x509.CertPool

	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// New makes an authority.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, CAFile: filepath.Join(t.TempDir(), "ca.pem"), Pool: x509.NewCertPool(), key: newKey(t)}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Receivers"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.Pool.AddCert(a.cert)
	write(t, a.CAFile, "CERTIFICATE", der)
	return a
}

// A Pair is a certificate and its key, in files.
type Pair struct{ CertFile, KeyFile string }

// Issue makes a certificate for a DNS name or an IP address, valid until an hour from now.
func (a *Authority) Issue(name string) Pair { return a.IssueUntil(name, time.Now().Add(time.Hour)) }

// IssueUntil makes a certificate that ends when it is told to.
func (a *Authority) IssueUntil(name string, end time.Time) Pair {
	a.t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	require.NoError(a.t, err)
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: end.Add(-2 * time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, key.Public(), a.key)
	require.NoError(a.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	dir := a.t.TempDir()
	p := Pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	write(a.t, p.CertFile, "CERTIFICATE", der)
	write(a.t, p.KeyFile, "PRIVATE KEY", private)
	return p
}

// Server returns what a receiver listens with, that wants a certificate of the authority if
// mutual is set.
func (a *Authority) Server(p Pair, mutual bool) *tls.Config {
	a.t.Helper()
	cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	require.NoError(a.t, err)
	c := &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: a.Pool}
	if mutual {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
