package survey

import (
	"context"
	"slices"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

// maxPeople bounds the people of a role that are listed.
const maxPeople = 100

func (s *survey) identities(ctx context.Context) error {
	i := &s.facts.Identities
	active, err := s.Store.ActiveByRole(ctx)
	if err != nil {
		return err
	}
	var cutoffs []store.Cutoff
	var owners []string // as they are compared where two of them have to agree
	for n, r := range s.facts.Policy.Roles {
		s.facts.Policy.Roles[n].Active = active[r.Name]
		if r.Attest > 0 {
			cutoffs = append(cutoffs, store.Cutoff{Role: r.Name, Before: s.Now.Add(-r.Attest)})
		}
		if !r.Privileged {
			continue
		}
		people, err := s.Store.Persons(ctx, r.Name, maxPeople)
		if err != nil {
			return err
		}
		for _, p := range people {
			if key := store.OwnerKey(p.Owner); key != "" && !slices.Contains(owners, key) {
				owners = append(owners, key)
			}
			i.Privileged = append(i.Privileged, compliance.Person{Path: p.Path, Owner: plain.Clean(p.Owner, 128)})
		}
	}
	i.Owners = int64(len(owners))
	if i.Ownerless, err = s.doubtful(ctx, store.Doubt{Why: store.Ownerless}); err != nil {
		return err
	}
	if i.Ownerless.N, err = s.Store.CountOwnerless(ctx); err != nil {
		return err
	}
	if i.Unattested, err = s.doubtful(ctx, store.Doubt{Why: store.Unattested, Cutoffs: cutoffs}); err != nil {
		return err
	}
	if i.Unattested.N, err = s.Store.CountUnattested(ctx, cutoffs); err != nil {
		return err
	}
	return s.suspects(ctx)
}

// doubtful returns examples of those that are active all the same.
func (s *survey) doubtful(ctx context.Context, q store.Doubt) (c compliance.Count, err error) {
	all, _, err := s.Store.Doubtful(ctx, q, store.Page{Limit: 10 * compliance.MaxRows})
	for _, id := range all {
		if id.State != store.Active || id.Role == "ca" {
			continue
		}
		detail := "made " + id.Created.Format("2006-01-02")
		if q.Why == store.Unattested {
			detail = "last " + id.Attested.Format("2006-01-02") + ", by " + plain.Clean(orNobody(id.Owner), 128)
		}
		c.Add(id.Path, detail)
	}
	return c, err
}

func orNobody(owner string) string {
	if owner == "" {
		return "nobody"
	}
	return owner
}

// suspects finds examples by what the log says lately.
func (s *survey) suspects(ctx context.Context) error {
	c := &s.facts.Identities.Suspect
	if c.N == 0 {
		return nil
	}
	entries, _, err := s.Store.AuditEntries(ctx, store.AuditFilter{Action: "identity.suspect"}, store.Page{Limit: 10 * compliance.MaxRows})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, e := range entries {
		id, err := s.Store.Identity(ctx, e.Subject)
		if isNotFound(err) || err == nil && !id.Suspect || seen[e.Subject] || len(c.Rows) == compliance.MaxRows {
			continue
		}
		if err != nil {
			return err
		}
		seen[e.Subject] = true
		c.Rows = append(c.Rows, compliance.Row{What: plain.Clean(e.Subject, 256), Detail: plain.Clean(e.Outcome, 256)})
	}
	return nil
}
