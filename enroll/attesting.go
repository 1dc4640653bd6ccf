package enroll

import (
	"context"
	"errors"
	"fmt"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// AttestIdentity records that whoever answers for an identity says that it is still there, and,
// unless owner is empty, who that is from now on. A suspended one stays so. It returns
// store.ErrNotFound, a [*ca.DeniedError] if the actor may not manage the role, or a
// [*ConflictError] for one that has its end.
func (r *Registrar) AttestIdentity(ctx context.Context, by Actor, path, owner string) (store.Identity, error) {
	if err := checkOwner(owner); err != nil {
		return store.Identity{}, err
	}
	id, err := r.store.Identity(ctx, path)
	if err != nil {
		return store.Identity{}, err
	}
	if err := r.mayManage(ctx, by, id.Role, path); err != nil {
		return store.Identity{}, err
	}
	if ca.Privileged(id.Role) && owner != "" && !sameOwner(owner, id.Owner) {
		return r.attestPerson(ctx, by, id, owner)
	}
	detail := map[string]any{"owner": id.Owner}
	if owner != "" {
		detail = map[string]any{"owner": owner, "before": id.Owner}
	}
	err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.Attest(path, owner)
		return by.event(ctx, tx, "identity.attest", path, detail)
	})
	if errors.Is(err, store.ErrStale) {
		return store.Identity{}, conflictf("%s is %s, for good", path, id.State)
	}
	if err != nil {
		return store.Identity{}, fmt.Errorf("attesting %s: %w", path, err)
	}
	return r.store.Identity(ctx, path)
}

// attestPerson is AttestIdentity where it changes who answers for a person. As soon as two
// people agree on what takes two, nobody makes one of them a third by himself.
func (r *Registrar) attestPerson(ctx context.Context, by Actor, id store.Identity, owner string) (store.Identity, error) {
	err := r.store.Decide(ctx, func(ctx context.Context, tx *store.AloneTx) ([]audit.Event, error) {
		two, err := r.council.quorum(ctx, tx)
		if err != nil {
			return nil, err
		}
		if two {
			return nil, &ca.DeniedError{Rule: id.Role, Reason: "who answers for a person says whom he can agree with: a person with another owner is made anew, by a token that two people agree on"}
		}
		tx.Attest(id.Path, owner)
		return []audit.Event{by.event(ctx, &tx.Tx, "identity.attest", id.Path, map[string]any{"owner": owner, "before": id.Owner})}, tx.Err()
	})
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return store.Identity{}, r.council.forbid(ctx, by, id.Path, denied)
	}
	if errors.Is(err, store.ErrStale) {
		return store.Identity{}, conflictf("%s is %s, for good", id.Path, id.State)
	}
	if err != nil {
		return store.Identity{}, fmt.Errorf("attesting %s: %w", id.Path, err)
	}
	return r.store.Identity(ctx, id.Path)
}
