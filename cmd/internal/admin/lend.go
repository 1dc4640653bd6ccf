package admin

import (
	"context"
	"net/http"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
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

// reads puts on record that somebody reads what the log, or guards' journals, have. Who
// cannot be put on record reads nothing, but root on the host, who has the files.
func (a *Admin) reads(r *http.Request, by enroll.Actor, action string) error {
	const most = 512
	q := r.URL.Query()
	q.Del("page_token")
	text := q.Encode()
	e := audit.Event{
		Action: action, Actor: by.Name, Subject: by.Name, Outcome: "ok", RequestID: enroll.RequestID(r.Context()),
		Detail: map[string]any{"request": r.Method + " " + r.URL.Path, "query": text[:min(len(text), most)]},
	}
	if by.Address.IsValid() {
		e.Address = by.Address.String()
	}
	err := a.Store.Update(r.Context(), func(tx *store.Tx) audit.Event {
		for _, id := range by.Powers {
			tx.UsePower(id, by.Name)
		}
		return e
	})
	if err != nil && by.Root {
		a.Log.ErrorContext(r.Context(), "reading the log is not on record", "actor", by.Name, "action", action, "error", err, "request", e.RequestID)
		return nil
	}
	return err
}
