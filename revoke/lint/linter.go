package lint

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	stdx509 "crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	zlints "github.com/zmap/zlint/v3/lint"

	"github.com/betonica/betonica/revoke/crl"
)

// maxSample is how many entries are linted at most.
const maxSample = 200

// A Linter lints the lists of one issuer. It may be used concurrently.
type Linter struct {
	issuer *stdx509.Certificate // as ours, but with the public key of signer
	signer crypto.Signer
}

// NewLinter makes a key of the same kind as the issuer's, which takes a second for RSA.
func NewLinter(issuer *stdx509.Certificate) (*Linter, error) {
	signer, err := likeKey(issuer.PublicKey)
	if err != nil {
		return nil, err
	}
	double := *issuer
	double.PublicKey = signer.Public()
	return &Linter{&double, signer}, nil
}

func likeKey(public crypto.PublicKey) (crypto.Signer, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.GenerateKey(key.Curve, rand.Reader)
	case *rsa.PublicKey:
		return rsa.GenerateKey(rand.Reader, 2048) // longer would say nothing more
	case ed25519.PublicKey:
		_, signer, err := ed25519.GenerateKey(rand.Reader)
		return signer, err
	}
	return nil, fmt.Errorf("no list is signed with a %T", public)
}

// Check returns nil if the list of t and entries breaks no rule that binds a private
// authority, and otherwise what it breaks.
func (l *Linter) Check(t crl.Template, entries crl.Set) error {
	var sample bytes.Buffer
	if err := crl.Encode(&sample, l.issuer, l.signer, t, entries.Sample(maxSample)); err != nil {
		return err
	}
	broken, err := check(sample.Bytes())
	if err != nil {
		return fmt.Errorf("linting CRL %d: %w", t.Number, err)
	}
	var all []error
	for _, b := range broken {
		if _, ok := ignored[b.rule]; !ok {
			all = append(all, fmt.Errorf("CRL %d: %w", t.Number, b))
		}
	}
	return errors.Join(all...)
}

// A breach is a rule that a list breaks.
type breach struct{ rule, text string }

func (b breach) Error() string { return b.text }

// check returns every rule that a list in DER breaks, down to mere notices.
func check(der []byte) ([]breach, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	var all []breach
	for rule, result := range zlint.LintRevocationList(list).Results {
		if result.Status > zlints.Pass { // below: it does not apply, or not yet
			m := result.LintMetadata
			all = append(all, breach{rule, fmt.Sprintf("%s, %s %s: %s: %s", rule, m.Source, m.Citation, m.Description, result.Details)})
		}
	}
	slices.SortFunc(all, func(a, b breach) int { return bytes.Compare([]byte(a.rule), []byte(b.rule)) })
	return all, nil
}
