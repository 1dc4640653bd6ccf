package validate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/validate"
)

// An alpnServer answers tls-alpn-01 with what it is made of.
type alpnServer struct {
	cert       *x509.Certificate // template
	issuer     *x509.Certificate // nil: itself
	foreignKey bool              // signed by another key
	config     tls.Config
}

// newALPNServer returns a good one (RFC 8737, Section 3).
func newALPNServer() *alpnServer {
	return &alpnServer{
		cert: &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "challenge"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			DNSNames: []string{name}, ExtraExtensions: []pkix.Extension{acmeIdentifier(keyAuth)},
		},
		config: tls.Config{NextProtos: []string{"acme-tls/1"}},
	}
}

func acmeIdentifier(keyAuth string) pkix.Extension {
	sum := sha256.Sum256([]byte(keyAuth))
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}, Critical: true, Value: append([]byte{4, 32}, sum[:]...)}
}

// listen starts the server; sni returns the name that it was asked for last.
func (a *alpnServer) listen(t *testing.T) (port int, sni func() string) {
	key, other := newKey(t), newKey(t)
	signer := key
	if a.foreignKey {
		signer = other
	}
	issuer := a.issuer
	if issuer == nil {
		issuer = a.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, issuer, key.Public(), signer)
	require.NoError(t, err)
	var asked atomic.Value
	a.config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked.Store(hello.ServerName)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}
	port = listen(t, func(conn net.Conn) {
		_ = tls.Server(conn, &a.config).Handshake()
		_, _ = io.Copy(io.Discard, conn)
	})
	return port, func() string { return asked.Load().(string) }
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// Who shows the certificate of the challenge, has the name, or the address, which
// is asked for by the name of its reverse record (RFC 8738, Section 6).
func TestTLSALPN01(t *testing.T) {
	for _, tt := range []struct {
		id, sni string
		bend    func(*alpnServer)
	}{
		{name, name, func(*alpnServer) {}},
		{name, name, func(a *alpnServer) { a.cert.DNSNames = []string{"WWW.test"} }},
		{name, name, func(a *alpnServer) { a.config.MaxVersion = tls.VersionTLS12 }},
		{name, name, func(a *alpnServer) { a.config.NextProtos = []string{"h2", "acme-tls/1"} }},
		{"127.0.0.1", "1.0.0.127.in-addr.arpa", func(a *alpnServer) {
			a.cert.DNSNames, a.cert.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)}
		}},
	} {
		s := newSite(t, nil)
		a := newALPNServer()
		tt.bend(a)
		port, sni := a.listen(t)
		s.config.TLSALPNPort = port
		require.NoError(t, s.validate(t, validate.TLSALPN01, tt.id))
		require.Equal(t, tt.sni, sni())
	}
}

// The name of an IPv6 address has all its digits.
func TestServerName(t *testing.T) {
	require.Equal(t, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", validate.ServerName("2001:db8::1"))
}

// A certificate that is not quite the challenge's, might be another service's.
func TestTLSALPN01Refused(t *testing.T) {
	extension := func(bend func(*pkix.Extension)) func(*alpnServer) {
		return func(a *alpnServer) { bend(&a.cert.ExtraExtensions[0]) }
	}
	san := func(names ...asn1.RawValue) func(*alpnServer) {
		return func(a *alpnServer) {
			der, err := asn1.Marshal(names)
			if err != nil {
				panic(err)
			}
			a.cert.ExtraExtensions = append(a.cert.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der})
		}
	}
	dns := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(name)}
	answer := validate.KindIncorrectResponse
	for _, tt := range []struct {
		name, kind string
		bend       func(*alpnServer)
	}{
		{"another account's", answer, func(a *alpnServer) { a.cert.ExtraExtensions[0] = acmeIdentifier(token + "." + secret) }},
		{"not critical", answer, extension(func(e *pkix.Extension) { e.Critical = false })},
		{"no extension", answer, func(a *alpnServer) { a.cert.ExtraExtensions = nil }},
		{"no OCTET STRING", answer, extension(func(e *pkix.Extension) { e.Value = e.Value[2:] })},
		{"bytes behind", answer, extension(func(e *pkix.Extension) { e.Value = append(e.Value, 0) })},
		{"a digest cut short", answer, extension(func(e *pkix.Extension) { e.Value = append([]byte{4, 31}, e.Value[2:33]...) })},
		{"another name", answer, func(a *alpnServer) { a.cert.DNSNames = []string{"other.test"} }},
		{"two names", answer, func(a *alpnServer) { a.cert.DNSNames = []string{name, "other.test"} }},
		{"the name twice", answer, func(a *alpnServer) { a.cert.DNSNames = []string{name, name} }},
		{"a name and an address", answer, func(a *alpnServer) { a.cert.IPAddresses = []net.IP{{127, 0, 0, 1}} }},
		{"a name and one that x509 passes over", answer, san(dns, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 8, Bytes: []byte{42, 3}})},
		{"the name as an e-mail address", answer, san(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte(name)})},
		{"a wildcard", answer, func(a *alpnServer) { a.cert.DNSNames = []string{"*.test"} }},
		{"no name", answer, func(a *alpnServer) { a.cert.DNSNames = nil }},
		{"signed by another key", answer, func(a *alpnServer) { a.foreignKey = true }},
		{"issued by another", answer, func(a *alpnServer) { a.issuer = &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}} }},
		{"without ALPN", answer, func(a *alpnServer) { a.config.NextProtos = nil }},
		{"another protocol", validate.KindTLS, func(a *alpnServer) { a.config.NextProtos = []string{"h2"} }},
		{"TLS 1.1", validate.KindTLS, func(a *alpnServer) { a.config.MinVersion, a.config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			a := newALPNServer()
			tt.bend(a)
			s.config.TLSALPNPort, _ = a.listen(t)
			requireError(t, tt.kind, s.validate(t, validate.TLSALPN01, name))
		})
	}
}

// The name of an address is not the address, nor is its text.
func TestTLSALPN01AddressRefused(t *testing.T) {
	for _, bend := range []func(*x509.Certificate){
		func(c *x509.Certificate) { c.DNSNames = []string{"127.0.0.1"} },
		func(c *x509.Certificate) { c.DNSNames = []string{"1.0.0.127.in-addr.arpa"} },
		func(c *x509.Certificate) { c.IPAddresses = []net.IP{{127, 0, 0, 2}} },
		func(c *x509.Certificate) { // a registeredID of the same bytes
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 6, 0x88, 4, 127, 0, 0, 1}})
		},
	} {
		s := newSite(t, nil)
		a := newALPNServer()
		a.cert.DNSNames = nil
		bend(a.cert)
		s.config.TLSALPNPort, _ = a.listen(t)
		requireError(t, validate.KindIncorrectResponse, s.validate(t, validate.TLSALPN01, "127.0.0.1"))
	}
}

// A server that does not speak TLS, or says nothing, is left.
func TestTLSALPN01Hostile(t *testing.T) {
	for _, tt := range []struct {
		kind  string
		serve func(net.Conn)
	}{
		{validate.KindTLS, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 "+secret+"\r\n\r\n") }},
		{validate.KindTLS, func(conn net.Conn) { _, _ = conn.Write([]byte{22, 3, 3, 0, 4, 2, 255, 255, 255}) }}, // a ServerHello of 16 MiB
		{validate.KindConnection, func(net.Conn) {}},
	} {
		s := newSite(t, nil)
		s.config.TLSALPNPort = listen(t, func(conn net.Conn) {
			tt.serve(conn)
			_, _ = io.Copy(io.Discard, conn) // until the other side leaves
		})
		v := s.validator(t)
		v.Hurry(time.Minute, 500*time.Millisecond)
		requireError(t, tt.kind, v.Validate(t.Context(), challenge(validate.TLSALPN01, name)))
	}
}
