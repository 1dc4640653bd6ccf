package ca

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/netip"
	"slices"
)

// Bounds of a request. A CSR for an RSA-4096 key with a hundred names of full
// length is 30 KiB.
const (
	maxRequest = 64 << 10 // bytes, PEM or DER
	maxNames   = 100      // subject alternative names of every kind
)

// A Request is what a stranger asks for: a public key, whose private key it has
// shown to hold, and perhaps names. Everything else that a CSR can say is
// ignored. A Request never changes; [ParseRequest] makes it, or [AttestationRequest],
// and the zero Request is refused everywhere.
type Request struct {
	key        publicKey
	spki       [sha256.Size]byte
	subject    []pkix.AttributeTypeAndValue // as sent
	commonName string
	id         ID // zero: no URI SAN
	dns        []string
	ips        []netip.Addr
	permanent  string // permanent identifier; empty: none
	tpm        *TPM   // whose attestation key it is; nil: none's
}

// A RequestError says what is wrong with a certificate request. Its text speaks
// only of what was sent, so it may be shown to whoever sent it.
type RequestError struct {
	Reason string
}

func (e *RequestError) Error() string { return "certificate request: " + e.Reason }

// ParseRequest reads a PKCS #10 request (RFC 2986), in DER or as one PEM block,
// of at most 64 KiB and 100 names, and checks its proof of possession. The key
// must be P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits with the exponent
// from 65537 to 2^31-1. Subject alternative names may be DNS names, also with "*."
// before them, IP addresses, one SPIFFE ID and one permanent identifier (RFC 4043).
//
// Whatever is wrong with the request comes back as a [*RequestError]; there is no
// other error.
func ParseRequest(csr []byte) (Request, error) {
	if len(csr) > maxRequest {
		return Request{}, requestErrorf("longer than %d bytes", maxRequest)
	}
	der, err := requestDER(csr)
	if err != nil {
		return Request{}, err
	}
	parsed, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return Request{}, requestErrorf("not a well-formed PKCS #10 structure")
	}

	// The strength of the key comes before its signature: verifying with an RSA
	// key of a stranger's size costs what the stranger likes.
	key, err := newPublicKey(parsed.PublicKey, parsed.RawSubjectPublicKeyInfo)
	if err != nil {
		return Request{}, err
	}
	if err := checkPossession(parsed); err != nil {
		return Request{}, err
	}
	r := Request{key: key, spki: sha256.Sum256(key.der), subject: parsed.Subject.Names}
	if r.commonName, err = requestCommonName(parsed); err != nil {
		return Request{}, err
	}
	if err := r.readNames(parsed.RawTBSCertificateRequest); err != nil {
		return Request{}, err
	}
	return r, nil
}

// PublicKey returns an *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey.
func (r Request) PublicKey() crypto.PublicKey { return r.key.public }

// SPKI returns the SHA-256 hash of the key's SubjectPublicKeyInfo. One key has
// one hash: a request that encodes its key in another way than DER's is refused.
func (r Request) SPKI() [32]byte { return r.spki }

// KeyType returns "P-256", "P-384", "Ed25519", or "RSA-" and the number of bits.
func (r Request) KeyType() string { return r.key.kind }

// ID returns the identity that the URI SAN names, and whether there is one.
func (r Request) ID() (ID, bool) { return r.id, !r.id.IsZero() }

// PermanentID returns the permanent identifier that is asked for (RFC 4043: a
// device's own name, without an assigner), and whether there is one. It does not
// come into the certificate, whose URI says the same.
func (r Request) PermanentID() (string, bool) { return r.permanent, r.permanent != "" }

// DNSNames returns the DNS names asked for, as [DNSName] writes them, wildcards
// with "*." before that, sorted and without duplicates.
func (r Request) DNSNames() []string { return slices.Clone(r.dns) }

// IPs returns the addresses asked for, sorted and without duplicates. An IPv4
// address is never in its IPv6-mapped form.
func (r Request) IPs() []netip.Addr { return slices.Clone(r.ips) }

// CommonName returns the subject's common name, or "". It may hold any
// characters.
func (r Request) CommonName() string { return r.commonName }

// WithCommonName returns the request with its common name among the names asked
// for, and whether it could be one, as a DNS name or an address: that is how ACME
// clients may ask for it (RFC 8555, Section 7.4).
func (r Request) WithCommonName() (named Request, ok bool) {
	if addr, err := netip.ParseAddr(r.commonName); err == nil && addr.Zone() == "" {
		r.ips, ok = slices.Concat(r.ips, []netip.Addr{addr.Unmap()}), true
	} else if name, err := requestDNSName(r.commonName); err == nil {
		r.dns, ok = slices.Concat(r.dns, []string{name}), true
	}
	if ok {
		r.sortNames()
	}
	return r, ok
}

// WithoutDNS returns the request without a DNS name that it asks for.
func (r Request) WithoutDNS(name string) Request {
	r.dns = slices.DeleteFunc(slices.Clone(r.dns), func(other string) bool { return other == name })
	return r
}

// requestDER returns the DER of a request that is DER or one PEM block with
// nothing but white space around it.
func requestDER(csr []byte) ([]byte, error) {
	if len(csr) > 0 && csr[0] == 0x30 { // a SEQUENCE
		return csr, nil
	}
	text := bytes.TrimSpace(csr)
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil, requestErrorf("neither DER nor PEM")
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, requestErrorf("not a complete PEM block")
	case block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST":
		return nil, requestErrorf("a PEM block of type %q, not CERTIFICATE REQUEST", clip(block.Type))
	case len(block.Headers) > 0:
		return nil, requestErrorf("PEM block with headers")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, requestErrorf("something follows the PEM block")
	// Decode skips what it cannot read and takes a later block: then more than one
	// line begins so.
	case bytes.Count(text, []byte("-----BEGIN ")) != 1:
		return nil, requestErrorf("more than one PEM block")
	}
	return block.Bytes, nil
}

// checkPossession verifies the request's own signature. A request signed with
// SHA-1 or MD5 proves nothing.
func checkPossession(csr *x509.CertificateRequest) error {
	switch csr.SignatureAlgorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
	default:
		return requestErrorf("signature algorithm is weak or unknown")
	}
	if csr.CheckSignature() != nil {
		return requestErrorf("signature does not verify under its own public key")
	}
	return nil
}

func requestErrorf(format string, args ...any) error {
	return &RequestError{Reason: fmt.Sprintf(format, args...)}
}
