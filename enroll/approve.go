package enroll

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// An Approval says who a machine is that waits.
type Approval struct {
	Request store.RequestID
	// SPKI is the SHA-256 of the whole key that was looked at: the code that people
	// compare is 40 bits of a hash, and no more than what finds it.
	SPKI [sha256.Size]byte
	// Role and Name are whom it is enrolled as. An identity that is not on record is put
	// there, pending. Both empty: the identity that what else it has shown is of.
	Role, Name string
	// Owner is who answers for an identity that is put on record.
	Owner string
	// Replace enrols an identity that has enrolled before, and revokes what it holds as
	// superseded.
	Replace bool
}

// Approve lets a machine have a certificate when it comes back, which it has at least an
// hour for. Its policy is judged then, and now as well, so that nobody is approved in
// vain.
//
// It returns store.ErrNotFound; a [*ConflictError] if the request is of another key, was
// decided, has lapsed, or asks for another role, or if the state of the identity leaves
// no use for it; and a [*ca.DeniedError] if policy refuses what the machine asks for, or
// nobody may be approved for the role: a privileged one never.
func (r *Registrar) Approve(ctx context.Context, by Actor, a Approval) (store.Request, error) {
	if err := checkOwner(a.Owner); err != nil {
		return store.Request{}, err
	}
	for range tries {
		q, err := r.store.Request(ctx, a.Request)
		if err != nil {
			return store.Request{}, err
		}
		if err := r.mayApprove(ctx, by, q, &a); err != nil {
			return store.Request{}, err
		}
		create, err := r.approves(ctx, by, q, a)
		if err != nil {
			return store.Request{}, err
		}
		path := a.Role + "/" + a.Name
		err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
			if create {
				tx.CreateIdentity(store.Identity{Path: path, Role: a.Role, Name: a.Name, Owner: a.Owner, State: store.Pending})
			}
			tx.ApproveRequest(q.ID, a.SPKI, path, a.Replace, by.Name, approvedTime)
			by.acts(tx)
			e := requestEvent(ctx, "request.approve", by.Name, by.Address, q)
			e.Subject = path
			e.Detail["replace"], e.Detail["created"], e.Detail["owner"] = a.Replace, create, a.Owner
			return e
		})
		if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrExists) {
			continue // somebody was faster: look again, and say who
		}
		if err != nil {
			return store.Request{}, err
		}
		r.log.InfoContext(ctx, "approved", "asks", q.ID.String(), "as", path, "by", by.Name)
		return r.store.Request(ctx, q.ID)
	}
	return store.Request{}, store.ErrStale
}

// Deny keeps a machine from being approved and, as long as it has not come back, takes an
// approval away. It returns store.ErrNotFound, and a [*ConflictError] if the request is of
// another key, was denied or used, or has lapsed.
func (r *Registrar) Deny(ctx context.Context, by Actor, id store.RequestID, spki [sha256.Size]byte) (store.Request, error) {
	q, err := r.store.Request(ctx, id)
	if err != nil {
		return store.Request{}, err
	}
	if err := r.mayManage(ctx, by, q.Role, "request:"+q.ID.String()); err != nil {
		return store.Request{}, err
	}
	err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.DenyRequest(id, spki, by.Name)
		by.acts(tx)
		e := requestEvent(ctx, "request.deny", by.Name, by.Address, q)
		e.Detail["approved"] = q.State == store.RequestApproved
		return e
	})
	if errors.Is(err, store.ErrStale) {
		if q, err = r.store.Request(ctx, id); err == nil {
			err = r.undecided(q, spki)
		}
		if err == nil {
			err = store.ErrStale
		}
	}
	if err != nil {
		return store.Request{}, err
	}
	r.log.InfoContext(ctx, "denied", "asks", q.ID.String(), "by", by.Name)
	return r.store.Request(ctx, id)
}

// Lapsed reports whether nothing can become of the request any more, for its time is
// over.
func (r *Registrar) Lapsed(q store.Request) bool {
	return q.Lapsed(r.now()) && (q.State == store.RequestWaiting || q.State == store.RequestApproved)
}

// mayApprove asks policy whether this actor may let that request in as anybody. It fills
// in the identity that the request has already.
func (r *Registrar) mayApprove(ctx context.Context, by Actor, q store.Request, a *Approval) error {
	if err := r.undecided(q, a.SPKI); err != nil {
		return err
	}
	if q.State == store.RequestApproved {
		return conflictf("it was approved as %s by %s", q.Identity, q.DecidedBy)
	}
	if q.Identity != "" {
		id, err := ca.ParsePath(r.issuers.TrustDomain(), q.Identity)
		if err != nil {
			return fmt.Errorf("request %s: %w", q.ID, err)
		}
		if a.Role == "" && a.Name == "" {
			a.Role, a.Name = id.Role(), id.Name()
		}
		if a.Role != id.Role() || a.Name != id.Name() {
			return conflictf("what else it has shown (%s) is of %s, and of nobody else", q.Proofs, q.Identity)
		}
	}
	if a.Role == "" || a.Name == "" {
		return badRequest("an approval says who the machine is, as role and name")
	}
	if a.Role != q.Role {
		return conflictf("it asks for the role %s, and not for %s", q.Role, a.Role)
	}
	if err := r.mayExist(ctx, by, a.Role, a.Name); err != nil {
		return err
	}
	if role, ok := r.Policies.Current().Role(a.Role); !ok || !approvable(role) {
		return r.refuseActor(ctx, by, a.Role+"/"+a.Name, &ca.DeniedError{Rule: a.Role, Reason: "nobody is approved for this role: it is privileged, or policy does not have the method approval"})
	}
	return nil
}

// undecided says why a request of that key is not to be decided any more, or nil. An
// approved one may be denied.
func (r *Registrar) undecided(q store.Request, spki [sha256.Size]byte) error {
	switch {
	case q.SPKI != spki:
		return conflictf("the request is of another key")
	case q.State == store.RequestDenied:
		return conflictf("it was denied by %s", q.DecidedBy)
	case q.State == store.RequestUsed:
		return conflictf("it was approved as %s by %s, and has its certificate", q.Identity, q.DecidedBy)
	case q.Lapsed(r.now()):
		return conflictf("it has lapsed: the machine has to ask again, and shows another code then")
	}
	return nil
}

// approves reports whether the identity is to be put on record, or says why the request
// cannot be approved for it.
func (r *Registrar) approves(ctx context.Context, by Actor, q store.Request, a Approval) (create bool, err error) {
	path := a.Role + "/" + a.Name
	record, err := r.store.Identity(ctx, path)
	switch {
	case errors.Is(err, store.ErrNotFound):
		create = q.Identity == "" // otherwise what else it has shown makes it
		record = store.Identity{Path: path, Role: a.Role, Name: a.Name, Revision: 1, State: store.Pending}
	case err != nil:
		return false, err
	case a.Owner != "" && a.Owner != record.Owner:
		return false, conflictf("%s is on record with the owner %q", path, record.Owner)
	case record.State == store.Active && !a.Replace:
		return false, conflictf("%s has enrolled already: to enrol anew it takes an approval with --replace", path)
	case record.State != store.Pending && record.State != store.Active:
		return false, conflictf("%s is %s", path, record.State)
	}
	req, err := ca.ParseRequest(q.CSR)
	if err != nil {
		return false, fmt.Errorf("request %s: %w", q.ID, err)
	}
	return create, r.wouldDecide(ctx, by, q, record, req)
}

// wouldDecide refuses an approval whose machine would be refused.
func (r *Registrar) wouldDecide(ctx context.Context, by Actor, q store.Request, record store.Identity, req ca.Request) error {
	from, _ := netip.ParseAddr(q.Address)
	id, err := r.identity(record, ca.MethodApproval, from)
	if err != nil {
		return err
	}
	policy := r.Policies.Current()
	if role, ok := policy.Role(record.Role); ok {
		id.Proofs = role.Proofs // what else it has to show it shows when it comes back
	}
	_, err = policy.Decide(id, req, r.now())
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return r.refuseActor(ctx, by, record.Path, denied)
	}
	return err
}
