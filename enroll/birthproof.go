package enroll

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A birthProof is the certificate that the manufacturer gave a device. It cannot be used
// up: what is, is that its identity holds no certificate of ours.
type birthProof struct {
	r        *Registrar
	chain    []*x509.Certificate
	role     string
	serial   string          // of the device
	spki     [32]byte        // of its key
	identity *store.Identity // that the inventory has it as; nil: it is not there
	former   *store.Identity // that has come with this key before, and is not retired; nil: none
	from     netip.Addr
	replaces bool // something else lets its identity begin anew
}

// birth looks who was given that certificate by its manufacturer: in the role, or with ""
// in whichever admits by birth certificates and knows the device. A certificate that no
// role's manufacturer vouches for is a stranger's, and on record so.
func (r *Registrar) birth(ctx context.Context, policy *ca.Policy, c Claim, role string) (*birthProof, error) {
	serial, err := deviceSerial(c.Birth[0])
	if err != nil {
		return nil, r.refuseBirth(ctx, c.From, "", err)
	}
	key, err := x509.MarshalPKIXPublicKey(c.Birth[0].PublicKey) // one spelling
	if err != nil {
		return nil, r.refuseBirth(ctx, c.From, serial, err)
	}
	p := &birthProof{r: r, chain: c.Birth, serial: serial, spki: sha256.Sum256(key), from: c.From}
	former, err := r.store.BirthHolder(ctx, p.spki)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil && former.State != store.Retired {
		p.former = &former
	}
	roles := []string{role}
	if role == "" {
		roles = policy.Roles()
	}
	var vouched, known []string
	why := errors.New("no role admits by birth certificates")
	for _, name := range roles {
		if err := p.good(policy, name); err != nil {
			if !errors.Is(err, errNoBirth) {
				why = err
			}
			continue
		}
		vouched = append(vouched, name)
		v, err := r.store.Device(ctx, name, serial)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		identity, err := r.store.Identity(ctx, v.Identity)
		if err != nil {
			return nil, fmt.Errorf("device %q of role %s: %w", serial, name, err)
		}
		known, p.identity = append(known, name), &identity
	}
	switch {
	case len(vouched) == 0:
		return nil, r.refuseBirth(ctx, c.From, serial, why)
	case len(known) == 1:
		p.role = known[0]
	case len(vouched) == 1:
		p.role = vouched[0]
	default: // it has to say in which role it wants to be known
		p.identity = nil
	}
	return p, nil
}

var errNoBirth = errors.New("the role does not admit by birth certificates")

// good returns nil if the role, as the policy has it, takes the certificate.
func (p *birthProof) good(policy *ca.Policy, name string) error {
	role, ok := policy.Role(name)
	if !ok || !slices.Contains(role.Methods, ca.MethodBirth) {
		return errNoBirth
	}
	return verifyBirth(role.ManufacturerRoots, p.chain, p.r.now())
}

// refuseBirth counts and records a certificate that is none of a device, or of nobody that
// we know, and returns what its bearer is told, which is not why.
func (r *Registrar) refuseBirth(ctx context.Context, from netip.Addr, serial string, why error) error {
	subject := ""
	if serial != "" {
		subject = "birth:" + serial // as it says; nobody vouches for it
	}
	r.refuseStranger(ctx, ReasonCertificate, subject, from, "birth certificate: "+why.Error())
	if wait := r.bad.count(from, nil, r.now()); wait > 0 {
		return &RateLimitError{RetryAfter: wait}
	}
	return ErrUnauthenticated
}

func (p *birthProof) String() string { return "birth:" + p.serial }

func (p *birthProof) method() ca.Method { return ca.MethodBirth }

// Settle leaves the certificate as it is, for the identity says whether it may be used.
func (p *birthProof) Settle(*store.Tx, *store.Certificate) {}

// bind has the identity remember the key, once it is one that gets certificates.
func (p *birthProof) bind(tx *store.Tx, cert *store.Certificate) {
	tx.BindBirth(cert.Identity, p.spki, p.replaces)
}

// Unmet looks whether a reply was lost.
func (p *birthProof) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	if p.identity == nil {
		return nil, err // the approval that names it knows more
	}
	prior, e := p.r.byKey(ctx, key)
	if e != nil {
		return nil, e
	}
	if prior != nil && prior.Identity.Path == p.identity.Path && prior.Revocation == nil && p.r.now().Before(prior.Certificate.NotAfter) {
		return p.r.again(ctx, prior)
	}
	if errors.Is(err, store.ErrKeyTaken) {
		return nil, p.r.keyTaken(ctx, p.identity.Path, p.String(), prior, err)
	}
	return nil, err
}

// reused alarms about a birth certificate that asks while its identity holds a certificate
// until then: the device has lost its key, or somebody has a copy.
func (p *birthProof) reused(ctx context.Context, path string, until time.Time) error {
	p.r.tally.refuse(ReasonReused)
	return p.r.accuse(ctx, p.from, nil, audit.Event{
		Action: "birth.reuse", Actor: stranger, Subject: path, Address: address(p.from),
		Outcome:   "asked for another certificate by its birth certificate, while it holds one",
		RequestID: RequestID(ctx), Detail: map[string]any{"proof": p.String(), "not_after": until},
	}, path)
}
