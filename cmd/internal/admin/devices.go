package admin

import (
	"net/http"
	"net/netip"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

// attest records that a machine is still there.
func (a *Admin) attest(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.AttestRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	path := pathOf(r)
	id, err := a.Registrar.AttestIdentity(r.Context(), by, path, in.Owner)
	if err != nil {
		return found(err, "identity "+path)
	}
	return reply(w, http.StatusOK, a.identityOf(id))
}

// listDoubtful lists identities in doubt: of a role, or of all.
func (a *Admin) listDoubtful(w http.ResponseWriter, r *http.Request, why store.Why, f store.IdentityFilter, page store.Page) error {
	switch why {
	case store.Dormant, store.Ownerless, store.Unattested:
	default:
		return malformed("doubt is unattested, ownerless or dormant")
	}
	if f != (store.IdentityFilter{Role: f.Role}) {
		return malformed("doubt goes with role alone")
	}
	q := store.Doubt{Why: why, Role: f.Role, Cutoffs: a.Registrar.Cutoffs()}
	records, next, err := a.Store.Doubtful(r.Context(), q, page)
	if err != nil {
		return err
	}
	return replyPage(w, records, next, func(id store.Identity) (adminapi.Identity, error) { return a.identityOf(id), nil })
}

// importDevices puts lines of an inventory on record.
func (a *Admin) importDevices(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.ImportRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if len(in.Lines) == 0 || len(in.Lines) > adminapi.MaxImport {
		return malformed("name 1 to %d lines", adminapi.MaxImport)
	}
	lines := make([]enroll.ImportLine, len(in.Lines))
	for i, l := range in.Lines {
		lines[i] = enroll.ImportLine{Serial: l.Serial, Name: l.Name, Owner: l.Owner, Site: l.Site, EK: l.EK, DNSNames: l.DNSNames}
		for _, text := range l.IPs {
			ip, _ := netip.ParseAddr(text) // one that is not valid refuses the line
			lines[i].IPs = append(lines[i].IPs, ip)
		}
	}
	results, err := a.Registrar.Import(r.Context(), by, in.Role, lines, in.DryRun)
	if err != nil {
		return err
	}
	var out struct {
		Results []adminapi.ImportResult `json:"results"`
	}
	for _, result := range results {
		out.Results = append(out.Results, adminapi.ImportResult{Status: string(result.Status), Identity: result.Identity, Detail: result.Detail})
	}
	return reply(w, http.StatusOK, out)
}
