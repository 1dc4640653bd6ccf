package ca_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

func pemCSR(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// Every kind of key that the package doc names is taken, as DER and as PEM, and is known
// by the hash of its SubjectPublicKeyInfo.
func TestParseRequestKeys(t *testing.T) {
	for kind, key := range map[string]crypto.Signer{
		"P-256": p256Key(), "P-384": p384Key(), "Ed25519": ed25519Key(), "RSA-2048": rsa2048Key(), "RSA-3072": rsa3072Key(),
	} {
		t.Run(kind, func(t *testing.T) {
			csr := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key))
			for _, form := range [][]byte{csr, pemCSR(csr), append([]byte("\r\n \n"), pemCSR(csr)...)} {
				req, err := ca.ParseRequest(form)
				require.NoError(t, err)
				require.Equal(t, kind, req.KeyType())
				require.Equal(t, key.Public(), req.PublicKey())
				require.Equal(t, sha256.Sum256(must(x509.MarshalPKIXPublicKey(key.Public()))), req.SPKI())
				_, ok := req.ID()
				require.False(t, ok)
			}
		})
	}
	pss := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: x509.SHA256WithRSAPSS}, rsa2048Key()))
	_, err := ca.ParseRequest(pss)
	require.NoError(t, err)
}

// Names come out in one form: lower case, sorted, each once, IPv4 as IPv4.
func TestParseRequestNames(t *testing.T) {
	req := newRequest(t, p256Key(), x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "SN-1", Organization: []string{"whoever"}},
		DNSNames:    []string{"B.example", "a.example", "b.EXAMPLE"},
		IPAddresses: []net.IP{net.ParseIP("fd00::1"), net.ParseIP("10.0.0.2").To16(), net.ParseIP("10.0.0.2").To4(), net.ParseIP("10.0.0.1")},
		URIs:        []*url.URL{must(url.Parse("spiffe://hospital.example/device/SN-1"))},
	})
	require.Equal(t, []string{"a.example", "b.example"}, req.DNSNames())
	require.Equal(t, []netip.Addr{
		netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::1"),
	}, req.IPs())
	require.Equal(t, "SN-1", req.CommonName())
	id, ok := req.ID()
	require.True(t, ok)
	require.Equal(t, newID(t, "device/SN-1"), id)

	wildcard := newRequest(t, p256Key(), x509.CertificateRequest{DNSNames: []string{"*.B.example", "b.example"}})
	require.Equal(t, []string{"*.b.example", "b.example"}, wildcard.DNSNames())

	device, err := ca.ParseRequest(rawRequest{extensions: [][]byte{san(permanentID("SN-1"), dnsName("a.example"))}}.sign(t, p256Key()))
	require.NoError(t, err)
	permanent, ok := device.PermanentID()
	require.True(t, ok)
	require.Equal(t, "SN-1", permanent)
	_, ok = req.PermanentID()
	require.False(t, ok)

	mapped := tagged(0x87, net.ParseIP("10.0.0.2")) // ::ffff:10.0.0.2
	req, err = ca.ParseRequest(rawRequest{extensions: [][]byte{san(mapped)}}.sign(t, p256Key()))
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("10.0.0.2")}, req.IPs())
}

// A common name that could be a subject alternative name is one where the caller
// says so, and only there.
func TestRequestWithCommonName(t *testing.T) {
	for cn, want := range map[string][]string{
		"B.example": {"a.example", "b.example"}, "A.example": {"a.example"}, "*.example": {"*.example", "a.example"},
		"10.0.0.1": {"a.example", "10.0.0.1"}, "::1": {"a.example", "::1"}, "::ffff:10.0.0.1": {"a.example", "10.0.0.1"},
		"": {"a.example"}, "sn_1": {"a.example"}, "fe80::1%eth0": {"a.example"}, "SN-1": {"a.example", "sn-1"},
	} {
		req := newRequest(t, p256Key(), x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}, DNSNames: []string{"a.example"}})
		named, ok := req.WithCommonName()
		require.Equal(t, cn != "" && cn != "sn_1" && cn != "fe80::1%eth0", ok, cn)
		got := named.DNSNames()
		for _, ip := range named.IPs() {
			got = append(got, ip.String())
		}
		require.Equal(t, want, got, cn)
		require.Equal(t, []string{"a.example"}, req.DNSNames())
		require.Empty(t, req.IPs())
	}
}

// A hundred names are enough for anybody.
func TestParseRequestHundredNames(t *testing.T) {
	var names [][]byte
	for i := range 101 {
		names = append(names, dnsName(fmt.Sprintf("n%d.example", i)))
	}
	req, err := ca.ParseRequest(rawRequest{extensions: [][]byte{san(names[:100]...)}}.sign(t, p256Key()))
	require.NoError(t, err)
	require.Len(t, req.DNSNames(), 100)
	_, err = ca.ParseRequest(rawRequest{extensions: [][]byte{san(names...)}}.sign(t, p256Key()))
	require.ErrorContains(t, err, "more than 100 names")
}

// Whatever a stranger sends comes back as a RequestError that says what is wrong
// with it, in printable characters.
func TestParseRequestRefuses(t *testing.T) {
	key := p256Key()
	create := func(template x509.CertificateRequest, key crypto.Signer) []byte {
		return must(x509.CreateCertificateRequest(rand.Reader, &template, key))
	}
	named := func(names ...[]byte) []byte { return rawRequest{extensions: [][]byte{san(names...)}}.sign(t, key) }
	good := create(x509.CertificateRequest{}, key)
	rsaSPKI := func(n *big.Int, e int) []byte {
		return must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: e}))
	}
	modulus := rsa2048Key().Public().(*rsa.PublicKey).N
	cn := func(values ...[]byte) []byte {
		var rdns [][]byte
		for _, value := range values {
			rdns = append(rdns, tagged(0x31, sequence(oidCN, value)))
		}
		return sequence(rdns...)
	}
	mail := tagged(0x81, []byte("a@example"))
	for _, tt := range []struct {
		name   string
		csr    []byte
		reason string
	}{
		// The wrapping.
		{"nothing", nil, "neither DER nor PEM"},
		{"white space", []byte("\n\n"), "neither DER nor PEM"},
		{"words", []byte("give me a certificate"), "neither DER nor PEM"},
		{"too long", bytes.Repeat([]byte("0"), 64<<10+1), "longer than"},
		{"bytes after the DER", append(slices.Clone(good), 0), "not a well-formed"},
		{"cut off", good[:len(good)-1], "not a well-formed"},
		{"no certificate request", must(x509.MarshalPKIXPublicKey(key.Public())), "not a well-formed"},
		{"two PEM blocks", append(pemCSR(good), pemCSR(good)...), "something follows"},
		{"a broken block, then a good one", append([]byte("-----BEGIN CERTIFICATE REQUEST-----\n!\n"), pemCSR(good)...), "more than one PEM block"},
		{"words before the block", append([]byte("x\n"), pemCSR(good)...), "neither DER nor PEM"},
		{"words after the block", append(pemCSR(good), 'x'), "something follows"},
		{"block cut off", pemCSR(good)[:60], "not a complete PEM block"},
		{"another block", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good}), "PEM block of type"},
		{"block with headers", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Headers: map[string]string{"A": "b"}, Bytes: good}), "headers"},

		// The key.
		{"RSA-1024", rawRequest{spki: rsaSPKI(new(big.Int).Rsh(modulus, 1024), 65537)}.sign(t, key), "has 1024 bits"},
		{"RSA-2047", rawRequest{spki: rsaSPKI(new(big.Int).Rsh(modulus, 1), 65537)}.sign(t, key), "has 2047 bits"},
		{"RSA-16384", rawRequest{spki: rsaSPKI(new(big.Int).Lsh(modulus, 14336), 65537)}.sign(t, key), "has 16384 bits"},
		{"exponent 3", rawRequest{spki: rsaSPKI(modulus, 3)}.sign(t, key), "exponent 3 is"},
		{"exponent 1", rawRequest{spki: rsaSPKI(modulus, 1)}.sign(t, key), "exponent 1 is"},
		{"even exponent", rawRequest{spki: rsaSPKI(modulus, 65538)}.sign(t, key), "exponent 65538 is"},
		{"huge exponent", rawRequest{spki: rsaSPKI(modulus, 1<<31+1)}.sign(t, key), "exponent 2147483649 is"},
		{"even modulus", rawRequest{spki: rsaSPKI(new(big.Int).Sub(modulus, big.NewInt(1)), 65537)}.sign(t, key), "small prime"},
		{"modulus of a small prime", rawRequest{spki: rsaSPKI(multipleOf(751, modulus), 65537)}.sign(t, key), "small prime"},
		{"RSA-4104", rawRequest{spki: rsaSPKI(new(big.Int).Lsh(modulus, 2056), 65537)}.sign(t, key), "has 4104 bits; 2048 to 4096 are"},
		{"another exponent", rawRequest{spki: rsaSPKI(modulus, 65539)}.sign(t, key), "exponent 65539 is"},
		{"close primes", rawRequest{spki: rsaSPKI(closePrimes(t), 65537)}.sign(t, key), "close to each other"},
		{"a square", rawRequest{spki: rsaSPKI(squareOfPrime(t), 65537)}.sign(t, key), "close to each other"},
		{"Infineon's", rawRequest{spki: rsaSPKI(infineon(t), 65537)}.sign(t, key), "CVE-2017-15361"},
		{"P-224", create(x509.CertificateRequest{}, p224Key()), "curve P-224"},
		{"P-521", create(x509.CertificateRequest{}, p521Key()), "curve P-521"},
		{"point off the curve", rawRequest{spki: offCurve(t, key)}.sign(t, key), "not a well-formed"},
		{"X25519", rawRequest{spki: sequence(sequence([]byte{6, 3, 0x2b, 0x65, 0x6e}), tagged(3, make([]byte, 33)))}.sign(t, key), "algorithm is not accepted"},
		{"unknown algorithm", rawRequest{spki: sequence(sequence([]byte{6, 3, 0x2b, 0x65, 0x01}), tagged(3, make([]byte, 33)))}.sign(t, key), "algorithm is not accepted"},
		{"key spelt otherwise", rawRequest{spki: respelt(t, key)}.sign(t, key), "encoded as DER demands"},

		// The proof of possession.
		{"signed by another key", rawRequest{spki: must(x509.MarshalPKIXPublicKey(p384Key().Public()))}.sign(t, key), "does not verify"},
		{"changed after signing", flip(named(dnsName("a.example")), "a.example"), "does not verify"},
		{"SHA-1", replaceOID(t, create(x509.CertificateRequest{SignatureAlgorithm: x509.SHA256WithRSA}, rsa2048Key()), 11, 5), "weak or unknown"},
		{"unknown signature algorithm", replaceOID(t, create(x509.CertificateRequest{SignatureAlgorithm: x509.SHA256WithRSA}, rsa2048Key()), 11, 77), "weak or unknown"},

		// The names.
		{"two common names", rawRequest{subject: cn(tagged(0x0c, []byte("a")), tagged(0x0c, []byte("b")))}.sign(t, key), "more than one common name"},
		{"empty common name", rawRequest{subject: cn(tagged(0x0c))}.sign(t, key), "common name is empty"},
		{"common name that is a number", rawRequest{subject: cn([]byte{2, 1, 7})}.sign(t, key), "common name is empty or not text"},
		{"e-mail", named(mail), "e-mail"},
		{"directory name", named(tagged(0xa4, sequence())), "names other than"},
		{"user principal name", named(tagged(0xa0, []byte{6, 3, 0x2b, 0x65, 0x70}, tagged(0xa0, tagged(0x0c, []byte("root"))))), "names other than"},
		{"registered ID", named(tagged(0x88, []byte{0x2b})), "names other than"},
		{"two URIs", named(uriName("spiffe://hospital.example/device/a"), uriName("spiffe://hospital.example/device/b")), "more than one URI"},
		{"one URI twice", named(uriName("spiffe://hospital.example/device/a"), uriName("spiffe://hospital.example/device/a")), "more than one URI"},
		{"foreign URI", named(uriName("https://hospital.example/")), "not of the form spiffe://"},
		{"escaped URI", named(uriName("spiffe://hospital.example/device/%61")), "URI name"},
		{"two wildcards in one", named(dnsName("*.*.hospital.example")), "wildcard"},
		{"a wildcard that is no label", named(dnsName("a*.hospital.example")), "wildcard"},
		{"a wildcard of everything", named(dnsName("*")), "wildcard"},
		{"a wildcard of nothing", named(dnsName("*.")), "0 characters"},
		{"a wildcard of an address", named(dnsName("*.10.0.0.1")), "like an IP address"},
		{"two permanent identifiers", named(permanentID("SN-1"), permanentID("SN-1")), "more than one permanent identifier"},
		{"permanent identifier of no identity", named(permanentID("a/b")), "permanent identifier"},
		{"permanent identifier without a value", named(otherName(sequence())), "has no value"},
		{"permanent identifier with an assigner", named(otherName(sequence(tagged(0x0c, []byte("SN-1")), []byte{6, 3, 0x2b, 0x65, 0x70}))), "assigner"},
		{"permanent identifier of other text", named(otherName(sequence(tagged(0x13, []byte("SN-1"))))), "malformed"},
		{"bytes in the permanent identifier", named(otherName(sequence(tagged(0x0c, []byte("SN-1"))), []byte{5, 0})), "malformed"},
		{"U-label", named(dnsName("b\xc3\xbccher.example")), ""},
		{"Latin-1", named(dnsName("b\xfccher.example")), ""},
		{"trailing dot", named(dnsName("a.hospital.example.")), "label is empty"},
		{"control character", named(dnsName("a\x1b[2J.example")), "outside a-z"},
		{"NUL", named(dnsName("a.example\x00.evil.example")), "outside a-z"},
		{"address as a DNS name", named(dnsName("10.0.0.1")), "like an IP address"},
		{"empty DNS name", named(dnsName("")), "0 characters"},
		{"address of 5 bytes", named(tagged(0x87, make([]byte, 5))), ""},
		{"SAN twice", rawRequest{extensions: [][]byte{san(dnsName("a.example")), san(dnsName("b.example"))}}.sign(t, key), ""},
		{"bytes in the SAN", rawRequest{extensions: [][]byte{sequence(oidSAN, tagged(4, sequence(), []byte{0}))}}.sign(t, key), ""},
		{"extension request twice", rawRequest{
			extensions: [][]byte{san(dnsName("a.example"))},
			attributes: [][]byte{attribute(oidExtensionRequest, sequence())},
		}.sign(t, key), "repeated extension request"},
		{"extension request of two values", rawRequest{attributes: [][]byte{
			attribute(oidExtensionRequest, sequence(san(dnsName("a.example"))), sequence(san(dnsName("b.example")))),
		}}.sign(t, key), "repeated extension request"},
		{"malformed attribute", rawRequest{attributes: [][]byte{sequence([]byte{2, 1, 0})}}.sign(t, key), "malformed attribute"},
		{"malformed extension", rawRequest{extensions: [][]byte{sequence([]byte{2, 1, 0})}}.sign(t, key), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := ca.ParseRequest(tt.csr)
			var bad *ca.RequestError
			require.ErrorAs(t, err, &bad)
			require.Contains(t, bad.Reason, tt.reason)
			require.Zero(t, req)
			for _, c := range err.Error() {
				require.True(t, c >= ' ' && c != 0x7f, "%q", err.Error())
			}
		})
	}
}

// multipleOf returns a multiple of p near n.
func multipleOf(p int64, n *big.Int) *big.Int {
	m := new(big.Int).Div(n, big.NewInt(p))
	return m.Mul(m, big.NewInt(p))
}

// offCurve returns a SubjectPublicKeyInfo whose point is not on P-256.
func offCurve(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	spki := must(x509.MarshalPKIXPublicKey(key.Public()))
	spki[len(spki)-1] ^= 1
	return spki
}

// respelt returns another encoding of the key that crypto/x509 reads as the same:
// three unused bits at the end of the BIT STRING.
func respelt(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	point := must(key.Public().(*ecdsa.PublicKey).Bytes())
	shifted := new(big.Int).Lsh(new(big.Int).SetBytes(point), 3).FillBytes(make([]byte, len(point)))
	spki := must(x509.MarshalPKIXPublicKey(key.Public()))
	algorithm := spki[2 : 4+spki[3]]
	other := sequence(algorithm, tagged(3, []byte{3}, shifted))
	public, err := x509.ParsePKIXPublicKey(other)
	require.NoError(t, err)
	require.Equal(t, key.Public(), public)
	return other
}

// flip changes one bit of the text within der.
func flip(der []byte, text string) []byte {
	der[bytes.Index(der, []byte(text))] ^= 2
	return der
}

// replaceOID changes the last arc of the PKCS #1 signature algorithm.
func replaceOID(t *testing.T, csr []byte, from, to byte) []byte {
	t.Helper()
	oid := must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, int(from)}))
	at := bytes.LastIndex(csr, oid)
	require.Positive(t, at)
	csr[at+len(oid)-1] = to
	return csr
}

// A request is of any bytes at all. It never panics; what it accepts, crypto/x509
// accepts too, with a signature that verifies and nothing asked for that we
// dropped; and its names are in the form in which they are granted.
func FuzzParseRequest(f *testing.F) {
	template := &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "SN-1"}, DNSNames: []string{"A.example"},
		IPAddresses: []net.IP{{10, 0, 0, 1}}, URIs: []*url.URL{must(url.Parse("spiffe://hospital.example/device/SN-1"))},
	}
	for _, key := range []crypto.Signer{p256Key(), p384Key(), ed25519Key(), rsa2048Key(), p224Key()} {
		csr := must(x509.CreateCertificateRequest(rand.Reader, template, key))
		f.Add(csr)
		f.Add(pemCSR(csr))
	}
	f.Fuzz(checkRequest)
}

// The same, past the signature: the subject and the attributes are of any bytes,
// and the request is signed by the key that it names.
func FuzzRequestNames(f *testing.F) {
	subject := sequence(tagged(0x31, sequence(oidCN, tagged(0x0c, []byte("SN-1")))))
	names := san(dnsName("A.example"), tagged(0x87, []byte{10, 0, 0, 1}), uriName("spiffe://hospital.example/device/SN-1"))
	f.Add(subject, attribute(oidExtensionRequest, sequence(names)))
	f.Add(subject, append(attribute(oidExtensionRequest, sequence()), attribute(oidCN, []byte{5, 0})...))
	f.Add(sequence(), attribute(oidExtensionRequest, sequence(san(dnsName("*.a.example"), permanentID("SN-1")))))
	f.Add(sequence(), attribute(oidExtensionRequest, sequence(san(dnsName("a.example"), tagged(0xa4, sequence())))))
	f.Fuzz(func(t *testing.T, subject, attributes []byte) {
		checkRequest(t, rawRequest{subject: subject, attributes: [][]byte{attributes}}.sign(t, p256Key()))
	})
}

func checkRequest(t *testing.T, csr []byte) {
	req, err := ca.ParseRequest(csr)
	if err != nil {
		var bad *ca.RequestError
		require.ErrorAs(t, err, &bad)
		return
	}
	encoded := csr
	if block, _ := pem.Decode(csr); block != nil {
		encoded = block.Bytes
	}
	parsed, err := x509.ParseCertificateRequest(encoded)
	require.NoError(t, err)
	require.NoError(t, parsed.CheckSignature())
	require.Equal(t, parsed.PublicKey, req.PublicKey())
	require.Equal(t, parsed.Subject.CommonName, req.CommonName())

	var dns []string
	for _, name := range parsed.DNSNames {
		domain, wildcard := strings.CutPrefix(name, "*.")
		domain = must(ca.DNSName(domain))
		if wildcard {
			domain = "*." + domain
		}
		dns = append(dns, domain)
	}
	require.Subset(t, req.DNSNames(), dns)
	require.Subset(t, dns, req.DNSNames())
	require.True(t, slices.IsSorted(req.DNSNames()))
	var ips []netip.Addr
	for _, ip := range parsed.IPAddresses {
		ips = append(ips, must(netip.ParseAddr(ip.String())).Unmap())
	}
	require.Subset(t, req.IPs(), ips)
	require.Subset(t, ips, req.IPs())
	require.Empty(t, parsed.EmailAddresses)
	id, ok := req.ID()
	require.Equal(t, ok, len(parsed.URIs) == 1)
	if ok {
		require.Equal(t, parsed.URIs[0].String(), id.String())
	}
}
