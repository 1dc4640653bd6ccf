package admin

import (
	"context"
	"net/http"

	"github.com/betonica/betonica/store"
)

// lend gives a caller what he has for a time, if he needs it: what he does then is done
// by those powers, and the call ends with the first of them.
func (a *Admin) lend(r *http.Request, by caller, need right) (caller, *http.Request, context.CancelFunc, error) {
	nothing := func() {}
	if by.rights&need == need || by.Root || !by.rights.borrows() {
		return by, r, nothing, nil
	}
	powers, err := a.Registrar.PowersOf(r.Context(), by.Name)
	if err != nil {
		return by, r, nothing, err
	}
	var first *store.Power
	for _, p := range powers { // that ends first, first
		if powerOf(p)&need&^by.rights == 0 {
			continue
		}
		by.rights |= powerOf(p)
		by.Powers = append(by.Powers, p.ID)
		if first == nil {
			first = &p
		}
	}
	if first == nil {
		return by, r, nothing, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.Registrar.Left(*first))
	return by, r.WithContext(ctx), cancel, nil
}
