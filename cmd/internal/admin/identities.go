package admin

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

func (a *Admin) createIdentity(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.IdentityRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	req := enroll.IdentityRequest{Role: in.Role, Name: in.Name, Owner: in.Owner, DNSNames: in.DNSNames}
	for _, text := range in.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return malformed("%.60q is not an IP address", text)
		}
		req.IPs = append(req.IPs, ip)
	}
	id, err := a.Registrar.CreateIdentity(r.Context(), by, req)
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, a.identityOf(id))
}

func (a *Admin) listIdentities(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "role", "state", "owner", "search", "doubt")
	if err != nil {
		return err
	}
	filter := store.IdentityFilter{Role: q.Get("role"), State: store.State(q.Get("state")), Owner: q.Get("owner"), Search: q.Get("search")}
	switch filter.State {
	case "", store.Pending, store.Active, store.Suspended, store.Revoked, store.Retired:
	default:
		return malformed("state is pending, active, suspended, revoked or retired")
	}
	if doubt := store.Why(q.Get("doubt")); doubt != "" {
		return a.listDoubtful(w, r, doubt, filter, page)
	}
	records, next, err := a.Store.Identities(r.Context(), filter, page)
	if err != nil {
		return err
	}
	return replyPage(w, records, next, func(id store.Identity) (adminapi.Identity, error) { return a.identityOf(id), nil })
}

func (a *Admin) showIdentity(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	path := pathOf(r)
	id, err := a.Store.Identity(r.Context(), path)
	if err != nil {
		return found(err, "identity "+path)
	}
	return reply(w, http.StatusOK, a.identityOf(id))
}

func (a *Admin) suspend(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	return a.move(w, r, by, a.Registrar.Suspend)
}

func (a *Admin) resume(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	return a.move(w, r, by, a.Registrar.Resume)
}

func (a *Admin) retire(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	return a.move(w, r, by, a.Registrar.Retire)
}

// move answers with the identity in its new state.
func (a *Admin) move(w http.ResponseWriter, r *http.Request, by enroll.Actor,
	to func(context.Context, enroll.Actor, string) (store.Identity, error)) error {
	path := pathOf(r)
	id, err := to(r.Context(), by, path)
	if err != nil {
		return found(err, "identity "+path)
	}
	return reply(w, http.StatusOK, a.identityOf(id))
}

func pathOf(r *http.Request) string { return r.PathValue("role") + "/" + r.PathValue("name") }

func (a *Admin) identityOf(id store.Identity) adminapi.Identity {
	return adminapi.Identity{
		ID: "spiffe://" + a.Issuers.TrustDomain() + "/" + id.Path, Path: id.Path, Role: id.Role, Name: id.Name, Owner: id.Owner, Site: id.Site,
		State: string(id.State), Why: string(id.Why), Suspect: id.Suspect, Revision: id.Revision, DNSNames: texts(id.DNSNames), IPs: texts(id.IPs),
		Created: id.Created, Changed: id.Changed, Attested: id.Attested,
	}
}
