package store

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certified returns the DER of certificates whose names stand in different ways.
func certified(t testing.TB) [][]byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	id := &url.URL{Scheme: "spiffe", Host: "hospital.example", Path: "/device/a"}
	var all [][]byte
	for _, cert := range []x509.Certificate{
		{Subject: pkix.Name{CommonName: "a"}, URIs: []*url.URL{id}},
		{Subject: pkix.Name{CommonName: "a"}, KeyUsage: x509.KeyUsageDigitalSignature},
		{DNSNames: []string{"a.example", "*.b.example"}}, // critical, since there is no subject
		{
			Subject: pkix.Name{CommonName: "a"}, URIs: []*url.URL{id}, DNSNames: []string{"b.example", "a.example"}, EmailAddresses: []string{"a@b.example"},
			IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1), net.ParseIP("2001:db8::1")}, OCSPServer: []string{"http://ca.example/ocsp"}, MaxPathLenZero: true,
		},
		{Subject: pkix.Name{CommonName: "a"}, ExtraExtensions: []pkix.Extension{ // ::ffff:10.0.0.1, and a name of no kind that is read
			{Id: []int{2, 5, 29, 17}, Value: append([]byte{0x30, 0x18, 0x88, 0x04, 1, 2, 3, 4, 0x87, 0x10}, net.IPv4(10, 0, 0, 1)...)},
		}},
	} {
		cert.SerialNumber, cert.NotBefore, cert.NotAfter = big.NewInt(1), time.Unix(0, 0), time.Unix(1e9, 0)
		der, err := x509.CreateCertificate(rand.Reader, &cert, &cert, public, private)
		require.NoError(t, err)
		all = append(all, der, bytes.Replace(der, []byte{0xa0, 3, 2, 1, 2}, []byte{0xa0, 3, 2, 1, 1}, 1)) // a v2 has no extensions
	}
	return all
}

// The names of a certificate are those that crypto/x509 reads, whatever it reads.
func TestAltNames(t *testing.T) {
	for _, der := range certified(t) {
		cert, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		dns, ips, err := (&Certificate{DER: der}).AltNames()
		require.NoError(t, err)
		require.Equal(t, cert.DNSNames, dns)
		require.Equal(t, cert.IPAddresses, ips)
		for n := range der {
			_, _, err := (&Certificate{DER: der[:n]}).AltNames()
			require.Error(t, err, "first %d bytes", n)
		}
	}
}

// An address of another length is none, also for crypto/x509.
func TestAltNamesRefuse(t *testing.T) {
	der := slices.Clone(certified(t)[8])
	at := bytes.Index(der, []byte{0x88, 0x04, 1, 2, 3, 4})
	copy(der[at:], []byte{0x87, 0x01, 1, 0x82, 0x01, 'a'})
	_, err := x509.ParseCertificate(der)
	require.Error(t, err)
	_, _, err = (&Certificate{DER: der}).AltNames()
	require.Error(t, err)
}

// FuzzAltNamesAreThoseOfX509: where crypto/x509 takes a certificate, the names are the
// same; nothing panics.
func FuzzAltNamesAreThoseOfX509(f *testing.F) {
	for _, der := range certified(f) {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		dns, ips, err := (&Certificate{DER: der}).AltNames()
		cert, refused := x509.ParseCertificate(der)
		if refused != nil {
			return
		}
		require.NoError(t, err)
		require.Equal(t, cert.DNSNames, dns)
		require.Equal(t, cert.IPAddresses, ips)
	})
}

func BenchmarkAltNames(b *testing.B) {
	c := Certificate{DER: certified(b)[6]}
	b.Run("names", func(b *testing.B) {
		for b.Loop() {
			c.AltNames()
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			c.X509()
		}
	})
}
