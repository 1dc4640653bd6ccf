package admin

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

func (a *Admin) listPowers(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "live")
	if err != nil {
		return err
	}
	live, err := flag(q, "live")
	if err != nil {
		return err
	}
	records, next, err := a.Store.Powers(r.Context(), live, page)
	if err != nil {
		return err
	}
	return replyPage(w, records, next, func(p store.Power) (adminapi.Power, error) { return a.powerOf(p), nil })
}

// requestPower asks for a right that the caller's role has not.
func (a *Admin) requestPower(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.PowerRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	want, ok := lent[in.Right]
	has := rightsOf(by)
	switch {
	case !ok:
		return malformed("right is one of %s", strings.Join(slices.Sorted(maps.Keys(lent)), ", "))
	case by.Root || !has.borrows():
		return a.refuse(r, caller{by, has}, &adminapi.ForbiddenError{Actor: by.Name, Verb: "be lent a right", Needs: "role admin, officer or operator"})
	case has&want == want:
		return &enroll.ConflictError{Detail: "your role has that right: nothing is lent"}
	}
	by.Reason = in.Reason
	p, err := a.Registrar.RequestPower(r.Context(), by, enroll.PowerRequest{Right: in.Right, For: time.Duration(in.For)})
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, a.powerOf(p))
}

func (a *Admin) breakGlass(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.PowerRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Right != "" {
		return malformed("in an emergency there is one power: name no right")
	}
	by.Reason = in.Reason
	p, err := a.Registrar.BreakGlass(r.Context(), by, enroll.PowerRequest{For: time.Duration(in.For)})
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, a.powerOf(p))
}

// endPower ends a power: one's own, or, for whoever takes things away, anybody's.
func (a *Admin) endPower(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := powerID(r)
	if err != nil {
		return err
	}
	p, err := a.Registrar.EndPower(r.Context(), by, id, by.Root || rightsOf(by)&revocation != 0)
	if err != nil {
		return found(err, "power "+api.ProposalCode(id))
	}
	return reply(w, http.StatusOK, a.powerOf(p))
}

func (a *Admin) reviewPower(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := powerID(r)
	if err != nil {
		return err
	}
	var in adminapi.ReviewRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	p, err := a.Registrar.ReviewPower(r.Context(), by, id, in.Word)
	if err != nil {
		return found(err, "power "+api.ProposalCode(id))
	}
	return reply(w, http.StatusOK, a.powerOf(p))
}

// rightsOf are those of the caller's role, without what he is lent.
func rightsOf(by enroll.Actor) right {
	if by.Root {
		return host
	}
	role, _, _ := strings.Cut(by.Name, "/")
	return roles[role]
}

func powerID(r *http.Request) (store.PowerID, error) {
	id, err := api.ParseProposal(r.PathValue("id"))
	if err != nil {
		return id, malformed("%v", err)
	}
	return id, nil
}

func (a *Admin) powerOf(p store.Power) adminapi.Power {
	out := adminapi.Power{
		ID: api.ProposalCode(p.ID), Person: p.Person, Kind: string(p.Kind), Right: p.Right, Reason: p.Reason, By: p.By, State: "live",
		Begun: p.Begun, Ends: p.Ends, Uses: p.Uses, Ended: p.Ended, EndedBy: p.EndedBy,
		ReviewDue: due(p), Reviewed: p.Reviewed, ReviewedBy: p.ReviewedBy, Word: p.Word,
	}
	switch {
	case p.Ended != nil:
		out.State = "ended"
	case a.Registrar.Over(p.Ends):
		out.State = "over"
	}
	return out
}

// due is when a power of an emergency has to have been reviewed; nil: it need not be.
func due(p store.Power) *time.Time {
	if p.Kind != store.PowerBreakGlass {
		return nil
	}
	at := p.Begun.Add(enroll.ReviewWithin)
	return &at
}
