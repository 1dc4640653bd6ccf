package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	rootYears         = 10
	intermediateYears = 5
	// ceremonyBackdate is for machines that boot with a clock behind ours.
	ceremonyBackdate = time.Hour
)

// CreateConfig is what [Create] makes a hierarchy of.
type CreateConfig struct {
	// TrustDomain is the domain that the intermediate may name: a lower-case DNS
	// name of at most 64 characters. Required.
	TrustDomain string

	// CriticalConstraints marks the name constraints critical, as RFC 5280,
	// Section 4.2.1.10 demands. The default is not to: mbedTLS 2.28 cannot parse a
	// critical one, and trusts nothing below it. Every verifier that knows name
	// constraints applies them either way.
	CriticalConstraints bool

	// URL, if not empty, is where the intermediate's certificate says that the
	// root's CRL, certificate and OCSP answers are, as [Config] has it for
	// leaves. Peers that check revocation along the whole chain need it.
	URL string

	// IntermediateKey is the intermediate's key, for one that lies in a token: P-256,
	// P-384, Ed25519 or RSA of at least 2048 bits. Nil: a new one, P-256.
	IntermediateKey crypto.Signer

	// Now tells the time; time.Now if nil.
	Now func() time.Time
}

// A Hierarchy is a new authority: two certificates and their keys, all in memory
// only.
type Hierarchy struct {
	Root, Intermediate *x509.Certificate

	// RootKey is to be carried away: nothing but another ceremony needs it.
	RootKey, IntermediateKey crypto.Signer
}

// Create makes a root and an intermediate for a trust domain.
//
// The root is good for ten years. Its key is P-384: it signs a few times a year,
// so that its cost is of no matter, and every peer that reads P-256 reads it;
// Ed25519, as strong, is unknown to many appliances. The intermediate is good for
// five years and its key is P-256, the cheapest to sign with; it may sign leaves
// only (path length 0), for URIs of the trust domain only. DNS names and
// addresses are for policy to confine: constraining those too breaks GnuTLS, Java
// and "localhost".
func Create(c CreateConfig) (*Hierarchy, error) {
	if err := checkTrustDomain(c.TrustDomain); err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	now := c.Now()
	rootKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := issuingKey(c.IntermediateKey)
	if err != nil {
		return nil, err
	}
	root, err := authorityTemplate("Root CA", c.TrustDomain, rootKey, now, rootYears)
	if err != nil {
		return nil, err
	}
	if root, err = createCertificate(root, root, rootKey.Public(), rootKey); err != nil {
		return nil, err
	}
	intermediate, err := intermediateTemplate(c.TrustDomain, key, now)
	if err != nil {
		return nil, err
	}
	intermediate.PermittedDNSDomainsCritical = c.CriticalConstraints // of the whole extension
	if c.URL != "" {
		base, err := baseURL(c.URL)
		if err != nil {
			return nil, err
		}
		intermediate.OCSPServer = []string{base + "/ocsp"}
		intermediate.IssuingCertificateURL = []string{base + "/ca/" + issuerID(root) + ".cer"}
		intermediate.CRLDistributionPoints = []string{base + "/crl/" + issuerID(root) + "/full.crl"}
	}
	if intermediate, err = createCertificate(intermediate, root, key.Public(), rootKey); err != nil {
		return nil, err
	}
	return &Hierarchy{Root: root, Intermediate: intermediate, RootKey: rootKey, IntermediateKey: key}, nil
}

// issuingKey returns an intermediate's key: a new one, or the one that there is, if
// it is of a kind that can issue.
func issuingKey(key crypto.Signer) (crypto.Signer, error) {
	if key == nil {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if k, ok := key.Public().(*rsa.PublicKey); ok && k.Size() < 256 {
		return nil, errors.New("ca: an RSA key must have at least 2048 bits")
	}
	_, err := newSigner(key, key.Public())
	return key, err
}

// intermediateTemplate returns what all intermediates have in common.
func intermediateTemplate(trustDomain string, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	t, err := authorityTemplate("Issuing CA", trustDomain, key, now, intermediateYears)
	if err != nil {
		return nil, err
	}
	t.MaxPathLenZero = true
	t.PermittedURIDomains = []string{trustDomain}
	return t, nil
}

// authorityTemplate returns what both certificates have in common. The first
// digits of the key's identifier end the common name: two authorities of one name
// and different keys are what path builders trip over.
func authorityTemplate(name, trustDomain string, key crypto.Signer, now time.Time, years int) (*x509.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := keyID(spki)
	return &x509.Certificate{
		SerialNumber:          newSerial(now),
		Subject:               pkix.Name{Organization: []string{trustDomain}, CommonName: name + " " + hex.EncodeToString(id[:4])},
		NotBefore:             now.Add(-ceremonyBackdate),
		NotAfter:              now.AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          id,
	}, nil
}

func createCertificate(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	encoded, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(encoded)
}

// keyID returns the subject key identifier of a SubjectPublicKeyInfo: the
// leftmost 160 bits of the SHA-256 hash of the key's bits (RFC 7093, Section 2,
// method 1).
func keyID(spki cryptobyte.String) []byte {
	var key cryptobyte.String
	if !spki.ReadASN1(&spki, der.SEQUENCE) || !spki.SkipASN1(der.SEQUENCE) ||
		!spki.ReadASN1(&key, der.BIT_STRING) || !key.Skip(1) {
		panic(errors.New("ca: a SubjectPublicKeyInfo that was checked is malformed"))
	}
	sum := sha256.Sum256(key)
	return sum[:20]
}
