package enroll

import (
	"context"
	"errors"
	"fmt"

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
	detail := map[string]any{"owner": id.Owner}
	if owner != "" {
		detail = map[string]any{"owner": owner, "before": id.Owner}
	}
	err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.Attest(path, owner)
		return by.event(ctx, "identity.attest", path, detail)
	})
	if errors.Is(err, store.ErrStale) {
		return store.Identity{}, conflictf("%s is %s, for good", path, id.State)
	}
	if err != nil {
		return store.Identity{}, fmt.Errorf("attesting %s: %w", path, err)
	}
	return r.store.Identity(ctx, path)
}
