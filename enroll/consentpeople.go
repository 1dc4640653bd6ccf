package enroll

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// people are the roles whose members agree to what takes two.
var people = [...]string{"admin", "auditor", "officer", "operator"}

// quorum reports whether people of two owners hold privileged certificates.
func (c *council) quorum(ctx context.Context, tx *store.AloneTx) (bool, error) {
	first := ""
	for _, role := range people {
		all, err := tx.Persons(ctx, role)
		if err != nil {
			return false, err
		}
		for _, p := range all {
			switch {
			case ownerKey(p.Owner) == "":
			case first == "":
				first = p.Owner
			case !sameOwner(first, p.Owner):
				return true, nil
			}
		}
	}
	return false, nil
}

// person returns who an actor is, and locks him: an active identity of a privileged role
// that presented a certificate in force. Root on the host is nobody here.
func (c *council) person(ctx context.Context, tx *store.AloneTx, by Actor) (store.Identity, error) {
	if by.Serial == nil {
		return store.Identity{}, &ca.DeniedError{Reason: "it takes a person with a certificate: root on the CA's own host is nobody here"}
	}
	id, err := tx.Identity(ctx, by.Name)
	if err != nil {
		return id, err
	}
	why, err := c.void(ctx, tx, id, *by.Serial)
	if err != nil {
		return id, err
	}
	if why == "" {
		cert, err := tx.Certificate(ctx, *by.Serial)
		if err != nil {
			return id, err
		}
		if now := tx.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			why = "the certificate is not in time"
		}
	}
	if why != "" {
		return id, &ca.DeniedError{Rule: id.Role, Reason: why}
	}
	return id, nil
}

// void says why a certificate gives its identity, which the transaction has read, no say,
// or "". That it has run out since it was presented is no reason.
func (c *council) void(ctx context.Context, tx *store.AloneTx, id store.Identity, serial store.Serial) (string, error) {
	if !ca.Privileged(id.Role) {
		return fmt.Sprintf("%s is of no privileged role", id.Path), nil
	}
	if id.State != store.Active {
		return fmt.Sprintf("%s is %s", id.Path, id.State), nil
	}
	cert, err := tx.Certificate(ctx, serial)
	if errors.Is(err, store.ErrNotFound) || err == nil && cert.Identity != id.Path {
		return fmt.Sprintf("the certificate is not %s's", id.Path), nil
	}
	if err != nil {
		return "", err
	}
	revoked, err := tx.Revoked(ctx, serial)
	if err == nil && revoked {
		return fmt.Sprintf("the certificate of %s is revoked", id.Path), nil
	}
	return "", err
}

// standing returns the consents that count, and why others do not any more.
func (c *council) standing(ctx context.Context, tx *store.AloneTx, id store.ProposalID) (count []store.Consent, void []string, err error) {
	all, err := tx.Consents(ctx, id) // in the order of their paths, in which they are locked
	if err != nil {
		return nil, nil, err
	}
	for _, k := range all {
		person, err := tx.Identity(ctx, k.Path)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, nil, err
		}
		why := k.Path + " is not on record"
		if err == nil {
			if why, err = c.void(ctx, tx, person, k.Serial); err != nil {
				return nil, nil, err
			}
			if why == "" && !sameOwner(person.Owner, k.Owner) {
				why = fmt.Sprintf("%s has another owner since", k.Path)
			}
		}
		if why != "" {
			void = append(void, why)
			continue
		}
		count = append(count, k)
	}
	return count, void, nil
}

// owners counts those who answer for the people that have agreed.
func owners(all []store.Consent) int {
	seen := make(map[string]bool)
	for _, k := range all {
		if key := ownerKey(k.Owner); key != "" {
			seen[key] = true
		}
	}
	return len(seen)
}

func ownerKey(owner string) string { return store.OwnerKey(owner) }

func sameOwner(a, b string) bool { return ownerKey(a) == ownerKey(b) }

func randomID() (id [5]byte) {
	rand.Read(id[:]) // it does not fail
	return id
}
