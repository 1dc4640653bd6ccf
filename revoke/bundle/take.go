package bundle

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/betonica/betonica/revoke/crl"
)

var (
	errDelta  = errors.New("it is a delta, and the file takes full lists only")
	errNobody = errors.New("no CA that the machine trusts has signed it")
)

// take keeps the lists of a PEM text that are newer than those held. What is wrong
// with one of them keeps no other from being taken; the error names each.
func (k *Keeper) take(ctx context.Context, text []byte, known []*x509.Certificate) error {
	var wrong []error
	for n := 1; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return errors.Join(wrong...)
		}
		if block.Type != "X509 CRL" {
			continue
		}
		if err := k.takeOne(ctx, block.Bytes, known); err != nil && !errors.Is(err, crl.ErrOld) {
			wrong = append(wrong, fmt.Errorf("list %d: %w", n, err))
		}
	}
}

func (k *Keeper) takeOne(ctx context.Context, der []byte, known []*x509.Certificate) error {
	issuer, list, err := k.open(ctx, der, known)
	if err != nil {
		return err
	}
	if list.IsDelta() {
		return errDelta
	}
	id, now := idOf(issuer), k.conf.Now()
	var state *crl.State
	if old := k.held[id]; old == nil {
		state, err = crl.NewState(list, now)
	} else {
		state, err = old.state.Accept(list, now)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", issuer.Subject.CommonName, err)
	}
	k.held[id] = &held{issuer: issuer, state: state, der: slices.Clone(der)}
	return nil
}

// open verifies a list. Its issuer is a CA that is known, or one that the CA's own
// server has the certificate of, and that the roots vouch for.
func (k *Keeper) open(ctx context.Context, der []byte, known []*x509.Certificate) (*x509.Certificate, *crl.List, error) {
	for _, issuer := range known {
		list, err := crl.Open(der, issuer)
		if err == nil {
			return issuer, list, nil
		}
		if !errors.Is(err, crl.ErrSignature) && !errors.Is(err, crl.ErrIssuer) {
			return nil, nil, err
		}
	}
	unverified, err := x509.ParseRevocationList(der)
	if err != nil || len(unverified.AuthorityKeyId) == 0 || len(unverified.AuthorityKeyId) > 64 {
		return nil, nil, errNobody
	}
	issuer, err := k.introduce(ctx, hex.EncodeToString(unverified.AuthorityKeyId))
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", errNobody, err)
	}
	list, err := crl.Open(der, issuer)
	return issuer, list, err
}

// introduce fetches the certificate of a CA that is not in the machine's own chain,
// such as the one before the last, and has the roots vouch for it.
func (k *Keeper) introduce(ctx context.Context, id string) (*x509.Certificate, error) {
	var der []byte
	var wrong []error
	for n := range 2 { // a relay has lists only
		base, err := k.conf.base(n)
		if err == nil {
			der, _, err = k.get(ctx, base+"/ca/"+id+".cer", "", maxCertificate)
		}
		if err == nil {
			break
		}
		wrong = append(wrong, err)
	}
	if der == nil {
		return nil, errors.Join(wrong...)
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	chain, anchors := k.conf.Machine()
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range anchors {
		roots.AddCert(c)
	}
	for _, c := range chain {
		between.AddCert(c)
	}
	_, err = issuer.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: k.conf.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, err
	}
	if idOf(issuer) != id {
		return nil, fmt.Errorf("the certificate of CA %s is another's", id)
	}
	return issuer, nil
}

// known returns the CAs of the machine's chain, its roots, and those of the lists
// that are held.
func (k *Keeper) known() []*x509.Certificate {
	own, roots := k.own()
	all := append(own, roots...)
	for _, id := range slices.Sorted(maps.Keys(k.held)) {
		if c := k.held[id].issuer; !slices.ContainsFunc(all, c.Equal) {
			all = append(all, c)
		}
	}
	return all
}

// own returns the CAs between the machine's certificate and its roots, and the
// roots.
func (k *Keeper) own() (between, roots []*x509.Certificate) {
	chain, roots := k.conf.Machine()
	if len(chain) > 0 {
		between = slices.Clone(chain[1:])
	}
	return between, roots
}
