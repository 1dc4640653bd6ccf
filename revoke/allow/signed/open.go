package signed

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/betonica/betonica/revoke/allow"
)

// ErrNotCA reports that somebody signed who is not the CA.
var ErrNotCA = errors.New("not signed by the CA")

// skew is how far the CA's clock may be ahead of ours.
const skew = 5 * time.Minute

// maxChain bounds the certificates of a signature.
const maxChain = 8

// Open verifies a statement for a guard, with the CA's roots. It must have been signed
// by a server of the CA, a holder of the role ca in the guard's trust domain, while that
// one's certificate was good, and not in the future; that it has expired is for the
// caller to look at. An error of the signature wraps [ErrNotCA].
func Open(text []byte, guard allow.ID, roots *x509.CertPool, now time.Time) (Statement, error) {
	if len(text) > MaxSize {
		return Statement{}, fmt.Errorf("a statement of more than %d bytes", MaxSize)
	}
	parts := bytes.Split(text, []byte("."))
	if len(parts) != 3 {
		return Statement{}, errors.New("no JWS in compact serialization")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64url.Strict().AppendDecode(nil, part); err != nil {
			return Statement{}, fmt.Errorf("decoding the statement: %w", err)
		}
	}
	chain, err := readHeader(decoded[0])
	if err != nil {
		return Statement{}, err
	}
	signedText := text[:len(parts[0])+1+len(parts[1])]
	if err := checkSignature(chain[0], signedText, decoded[2]); err != nil {
		return Statement{}, err
	}
	s, err := decode(decoded[1])
	if err != nil {
		return Statement{}, err
	}
	if s.Issued.After(now.Add(skew)) {
		return Statement{}, fmt.Errorf("the statement is of %s, which is ahead of this machine's clock", s.Issued.Format(time.RFC3339))
	}
	if err := VerifyServer(chain, guard.TrustDomain(), roots, s.Issued); err != nil {
		return Statement{}, err
	}
	if s.Guard != guard {
		return Statement{}, fmt.Errorf("the statement is for %s, not for %s", s.Guard, guard)
	}
	return s, nil
}

// readHeader checks a header, and returns the chain in it.
func readHeader(text []byte) ([]*x509.Certificate, error) {
	var h header
	if err := strictJSON(text, &h); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if h.Algorithm != "ES256" || h.Type != typ {
		return nil, fmt.Errorf("%w: of type %.64q by %.64q", ErrNotCA, h.Type, h.Algorithm)
	}
	if len(h.Chain) == 0 || len(h.Chain) > maxChain {
		return nil, fmt.Errorf("%w: by %d certificates", ErrNotCA, len(h.Chain))
	}
	chain := make([]*x509.Certificate, len(h.Chain))
	for i, der := range h.Chain {
		var err error
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotCA, err)
		}
	}
	return chain, nil
}

func checkSignature(cert *x509.Certificate, text, signature []byte) error {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || len(signature) != 2*half {
		return fmt.Errorf("%w: no signature by ES256", ErrNotCA)
	}
	digest := sha256.Sum256(text)
	r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		return fmt.Errorf("%w: the signature does not verify", ErrNotCA)
	}
	return nil
}

// VerifyServer checks that a chain, leaf first, was at some time that of a server of the
// CA: it leads to the roots, and the leaf's ID is of the role ca in the trust domain. An
// error wraps [ErrNotCA].
func VerifyServer(chain []*x509.Certificate, trustDomain string, roots *x509.CertPool, at time.Time) error {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotCA, err)
	}
	id, err := allow.IDOf(chain[0])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotCA, err)
	}
	if id.Role() != "ca" || id.TrustDomain() != trustDomain {
		return fmt.Errorf("%w: by %s", ErrNotCA, id)
	}
	return nil
}

// strictJSON decodes one value, whose members are all known.
func strictJSON(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is something behind it")
	}
	return nil
}
