package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

const (
	pemKey = "PRIVATE KEY"         // PKCS#8
	pemCSR = "CERTIFICATE REQUEST" // PKCS#10
	pemCrt = "CERTIFICATE"
)

// Keys makes a machine's private keys, and opens them again. The methods may be
// called concurrently.
type Keys interface {
	// Make makes a key of the kind that a [Request] names. It returns, too, what
	// goes into key.pem: one PEM block, from which Open makes the key again, after
	// a loss of power and with nothing else on disk.
	Make(kind string) (key crypto.Signer, text []byte, err error)
	// Open returns the key that Make described so.
	Open(text []byte) (crypto.Signer, error)
	// String says where the keys are, such as tpm:/dev/tpmrm0. It is not secret.
	String() string
}

// fileKeys are keys in files, as PKCS#8.
type fileKeys struct{}

func (fileKeys) Make(kind string) (crypto.Signer, []byte, error) {
	key, err := newKey(kind)
	if err != nil {
		return nil, nil, err
	}
	text, err := encodeKey(key)
	return key, text, err
}

func (fileKeys) Open([]byte) (crypto.Signer, error) {
	return nil, errors.New("the key is in no file: say which chip it is in (--tpm)")
}

func (fileKeys) String() string { return "" }

// openKey opens what key.pem says, in a file or by keys. Without keys, one that is
// in no file stays closed: it is nil.
func openKey(keys Keys, text []byte) (crypto.Signer, error) {
	if block, _ := pem.Decode(text); block == nil || block.Type == pemKey {
		return decodeKey(text)
	}
	if keys == nil {
		return nil, nil
	}
	return keys.Open(text)
}

// newKey makes a key of the kind that a [Request] names.
func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "P-256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "Ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "RSA-2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "RSA-3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "RSA-4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, fmt.Errorf("unknown key type %q: want P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096", kind)
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

func decodeKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemKey {
		return nil, errors.New("not a private key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}

// encodeCSR writes the request that r describes as PKCS#10 in PEM. It asks for
// no name that r does not: the CA's record has them.
func encodeCSR(r Request, trustDomain string, key crypto.Signer) (string, error) {
	template := &x509.CertificateRequest{DNSNames: r.DNSNames}
	for _, ip := range r.IPs {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	if r.Identity != "" {
		role, name, ok := strings.Cut(r.Identity, "/")
		if !ok || role == "" || name == "" || strings.Contains(name, "/") {
			return "", fmt.Errorf("%q is not an identity: want role/name, such as device/SN-0042", r.Identity)
		}
		template.URIs = []*url.URL{{Scheme: "spiffe", Host: trustDomain, Path: "/" + role + "/" + name}}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return "", fmt.Errorf("making the certificate request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: pemCSR, Bytes: der})), nil
}

func encodeCerts(certs []*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: pemCrt, Bytes: c.Raw})...)
	}
	return text
}
