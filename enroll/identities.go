package enroll

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// An IdentityRequest puts an identity on record.
type IdentityRequest struct {
	Role, Name string
	Owner      string // who answers for it: free text of at most 256 bytes
	// DNSNames and IPs are the only names that it may have, and each must be one
	// that its role covers, which is checked when it enrols. Without any, the role
	// alone decides.
	DNSNames []string
	IPs      []netip.Addr
}

const (
	maxOwner = 256 // bytes
	maxNames = 100 // DNS names and addresses of one identity
)

// CreateIdentity puts an identity on record. It is pending until a token that is
// bound to it is spent. It returns a [*ca.DeniedError] if policy has no place for
// the name, and store.ErrExists.
func (r *Registrar) CreateIdentity(ctx context.Context, by Actor, req IdentityRequest) (store.Identity, error) {
	id := store.Identity{Path: req.Role + "/" + req.Name, Role: req.Role, Name: req.Name, Owner: req.Owner, State: store.Pending}
	if err := r.mayExist(ctx, by, req.Role, req.Name); err != nil {
		return store.Identity{}, err
	}
	if err := checkOwner(req.Owner); err != nil {
		return store.Identity{}, err
	}
	var err error
	if id.DNSNames, id.IPs, err = namesOnRecord(req.DNSNames, req.IPs); err != nil {
		return store.Identity{}, badRequest("%v", err)
	}
	err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.CreateIdentity(id)
		return by.event(ctx, tx, "identity.create", id.Path, map[string]any{"owner": id.Owner, "dns": id.DNSNames, "ips": id.IPs})
	})
	if err != nil {
		return store.Identity{}, err
	}
	return r.store.Identity(ctx, id.Path)
}

// namesOnRecord returns names as they are recorded. Its error is for the caller.
func namesOnRecord(dns []string, ips []netip.Addr) (names, addrs []string, err error) {
	if len(dns)+len(ips) > maxNames {
		return nil, nil, fmt.Errorf("more than %d names", maxNames)
	}
	for _, name := range dns {
		if name, err = ca.DNSName(name); err != nil {
			return nil, nil, err
		}
		names = append(names, name)
	}
	for _, ip := range ips {
		if !ip.IsValid() || ip.Zone() != "" {
			return nil, nil, errors.New("an address is not valid, or has a zone")
		}
		addrs = append(addrs, ip.Unmap().String())
	}
	slices.Sort(names)
	slices.Sort(addrs)
	return slices.Compact(names), slices.Compact(addrs), nil
}

// Suspend stops issuing to an active identity, of the token that is on its way as
// well; the certificates that it holds stay good until they end. Resume undoes it.
func (r *Registrar) Suspend(ctx context.Context, by Actor, path string) (store.Identity, error) {
	return r.move(ctx, by, path, "identity.suspend", store.Active, store.Suspended)
}

// Resume makes a suspended identity active.
func (r *Registrar) Resume(ctx context.Context, by Actor, path string) (store.Identity, error) {
	return r.move(ctx, by, path, "identity.resume", store.Suspended, store.Active)
}

// Retire ends an active identity that is out of service, for good: its tokens and
// ACME accounts are revoked, what was approved for it is denied, and its names are free
// for others. The certificates that it holds stay good until they end, also with those
// names; where that matters, revoke it instead.
func (r *Registrar) Retire(ctx context.Context, by Actor, path string) (store.Identity, error) {
	return r.move(ctx, by, path, "identity.retire", store.Active, store.Retired)
}

// move changes the state of an identity. It returns store.ErrNotFound, or a
// [*ConflictError] if the identity is not in state from.
func (r *Registrar) move(ctx context.Context, by Actor, path, action string, from, to store.State) (store.Identity, error) {
	return r.moveFor(ctx, by, path, action, from, to, nil)
}

// moveFor is move, with what else belongs on record.
func (r *Registrar) moveFor(ctx context.Context, by Actor, path, action string, from, to store.State, detail map[string]any) (store.Identity, error) {
	id, err := r.store.Identity(ctx, path)
	if err != nil {
		return store.Identity{}, err
	}
	if err := r.mayManage(ctx, by, id.Role, path); err != nil {
		return store.Identity{}, err
	}
	err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		if to == store.Retired {
			tx.RevokeTokens(path) // before the identity: the order of locks of those who issue
			tx.RevokeAccounts(path)
			tx.DenyRequests(path, by.Name)
			tx.FreeNames(path)
		}
		tx.SetState(path, []store.State{from}, to)
		return by.event(ctx, tx, action, path, detail)
	})
	if errors.Is(err, store.ErrStale) {
		if id, err = r.store.Identity(ctx, path); err == nil {
			err = conflictf("%s is %s, not %s", path, id.State, from)
		}
	}
	if err != nil {
		return store.Identity{}, err
	}
	return r.store.Identity(ctx, path)
}

// mayExist refuses names that policy has no place for, and those that this actor
// may not make.
func (r *Registrar) mayExist(ctx context.Context, by Actor, role, name string) error {
	err := r.Policies.Current().AllowsName(role, name)
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return r.refuseActor(ctx, by, role+"/"+name, denied)
	}
	if err != nil {
		return err
	}
	return r.mayManage(ctx, by, role, role+"/"+name)
}

// mayManage keeps those who manage machines from managing each other, or the CA: that
// takes root on the CA's host. Making one more of them takes two people, see council.
func (r *Registrar) mayManage(ctx context.Context, by Actor, role, subject string) error {
	if role != ca.RoleCA && !ca.Privileged(role) || role != ca.RoleCA && by.Root {
		return nil
	}
	return r.refuseActor(ctx, by, subject, &ca.DeniedError{Rule: role, Reason: "it is for root on the CA's own host to manage"})
}

func checkOwner(owner string) error {
	if err := checkText(owner, maxOwner); err != nil {
		return badRequest("owner: %v", err)
	}
	return nil
}

func badRequest(format string, args ...any) error {
	return &api.BadRequestError{Status: 400, Detail: fmt.Sprintf(format, args...)}
}
