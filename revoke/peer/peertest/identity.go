package peertest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

// life is that of an identity's certificate.
const life = 30 * 24 * time.Hour

// An Identity is a machine with its certificate: a peer.Source. Its methods may be
// called concurrently.
type Identity struct {
	ca   *CA
	path string
	rsa  bool
	cert atomic.Pointer[tls.Certificate]
}

// Identity makes a machine by its role and name, such as "device/pump-1", with a
// certificate of the intermediate that issues. It may be a server and a client, and
// is good for localhost, 127.0.0.1 and ::1 too.
func (c *CA) Identity(path string) *Identity {
	c.tb.Helper()
	i := &Identity{ca: c, path: path}
	i.Renew()
	return i
}

// RSAIdentity is Identity with a key of RSA-2048, for peers that know nothing else.
func (c *CA) RSAIdentity(path string) *Identity {
	c.tb.Helper()
	i := &Identity{ca: c, path: path, rsa: true}
	i.Renew()
	return i
}

// ID returns the SPIFFE ID, "spiffe://test.example/device/pump-1".
func (i *Identity) ID() string { return "spiffe://" + TrustDomain + "/" + i.path }

// Certificate returns the newest certificate.
func (i *Identity) Certificate() *tls.Certificate { return i.cert.Load() }

// Roots returns the CA's.
func (i *Identity) Roots() *x509.CertPool { return i.ca.Roots() }

// Renew gets a new key and certificate. The one before it stays good.
func (i *Identity) Renew() {
	c := i.ca
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	role, name, _ := strings.Cut(i.path, "/")
	uri, err := url.Parse(i.ID())
	check(c.tb, err)
	var key crypto.Signer = newKey(c.tb)
	if i.rsa {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
		check(c.tb, err)
	}
	by := c.issuers[len(c.issuers)-1]
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{Organization: []string{TrustDomain}, OrganizationalUnit: []string{role}, CommonName: name},
		NotBefore:    time.Now().Add(-time.Minute), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, URIs: []*url.URL{uri}, DNSNames: []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		CRLDistributionPoints: []string{c.URL + "/crl/" + by.id + "/full.crl"}, OCSPServer: []string{c.URL + "/ocsp"},
	}
	by.note(template)
	leaf := sign(c.tb, template, by, key.Public())
	i.cert.Store(&tls.Certificate{Certificate: [][]byte{leaf.Raw, by.cert.Raw}, PrivateKey: key, Leaf: leaf})
}

// Revoke revokes the newest certificate of an identity, and returns the number of
// the list that says so: it is on the stream when Revoke returns.
func (c *CA) Revoke(id *Identity) int64 {
	c.tb.Helper()
	cert := id.Certificate().Leaf
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.issuers {
		if string(i.cert.SubjectKeyId) == string(cert.AuthorityKeyId) && i.revoke(cert, c.now()) {
			c.push(i)
		}
	}
	return c.number
}

// RevokeIntermediate has the root revoke an intermediate: the root's list says so
// at once, and the intermediate's streams end.
func (c *CA) RevokeIntermediate(cert *x509.Certificate) {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.root.revoke(cert, c.now())
	c.publish(c.root)
	for _, i := range c.issuers {
		if i.cert.Equal(cert) {
			i.hub.Close()
		}
	}
}

// RevokeMany revokes n certificates that nobody holds, and signs full lists with
// them.
func (c *CA) RevokeMany(n int) {
	c.tb.Helper()
	c.mu.Lock()
	by := c.issuers[len(c.issuers)-1]
	for range n {
		serial, err := crl.SerialOf(newSerial().Bytes())
		check(c.tb, err)
		by.revoked = append(by.revoked, crl.Entry{Serial: serial, RevokedAt: c.now(), Reason: crl.KeyCompromise})
	}
	c.mu.Unlock()
	c.Rebase()
}

// Beat signs a delta of each intermediate, though nothing happened, and returns the
// newest number.
func (c *CA) Beat() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.issuers {
		c.push(i)
	}
	return c.number
}

// Rebase signs new full lists, and deltas to them.
func (c *CA) Rebase() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.issuers {
		c.publish(i)
	}
}

func sign(tb testing.TB, template *x509.Certificate, by *issuer, public crypto.PublicKey) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, public, by.key)
	check(tb, err)
	cert, err := x509.ParseCertificate(der)
	check(tb, err)
	return cert
}

// check fails the test. It panics, so that it may be called from a handler.
func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Errorf("peertest: %v", err)
		panic(err)
	}
}
