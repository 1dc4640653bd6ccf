package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

// peerMaxAge is how old a list relying parties take unless they are told otherwise: see
// peer.Config.
const peerMaxAge = 4 * time.Hour

// survival reads what is needed for it; nil before the first count.
func (a *Admin) survival(ctx context.Context, now time.Time) (*adminapi.Survival, error) {
	counts, err := a.Store.LifeCounts(ctx)
	if err != nil || len(counts) == 0 {
		return nil, err
	}
	var lists []store.CRL
	for _, issuer := range a.Issuers.All() {
		crl, err := a.Store.LatestCRL(ctx, issuer.IssuerID(), "full")
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lists = append(lists, crl)
	}
	maxAge, err := a.Enforcement.MaxAge(ctx, peerMaxAge)
	if err != nil {
		return nil, err
	}
	return survivalOf(counts, lists, maxAge, now)
}

// survivalOf computes the survival clock. A maxAge of zero is one that nobody has said.
func survivalOf(counts []store.LifeCount, lists []store.CRL, maxAge time.Duration, now time.Time) (*adminapi.Survival, error) {
	s := &adminapi.Survival{Counted: counts[0].Counted, MaxAgeSaid: maxAge > 0, Bound: adminapi.BoundMaxAge}
	if maxAge == 0 {
		maxAge = peerMaxAge
	}
	s.MaxAge, s.AgeEnds = int64(maxAge.Seconds()), now.Add(maxAge)
	for _, crl := range lists {
		if s.ListEnds.IsZero() || crl.NextUpdate.Before(s.ListEnds) {
			s.ListEnds = crl.NextUpdate
		}
	}
	all := muster{}
	roles, sites := map[string]*muster{}, map[string]*muster{}
	for _, c := range counts {
		var ends enroll.Ends
		if err := ends.UnmarshalBinary(c.Ends); err != nil {
			return nil, fmt.Errorf("reading the count of lives of role %s at %q: %w", c.Role, c.Site, err)
		}
		all.add(c, ends)
		of(roles, c.Role).add(c, ends)
		if c.Site != "" {
			of(sites, c.Site).add(c, ends)
		}
	}
	stop := s.AgeEnds
	if !s.ListEnds.IsZero() && s.ListEnds.Before(stop) {
		stop, s.Bound = s.ListEnds, adminapi.BoundList
	}
	s.All = all.group("", s.Counted, stop, now)
	if s.All.FirstCertificate.Before(stop) {
		s.Bound = adminapi.BoundCertificate
	}
	s.Roles, s.Sites = groupsOf(roles, s.Counted, stop, now), groupsOf(sites, s.Counted, stop, now)
	return s, nil
}

// A muster is the machines of a group.
type muster struct {
	ends  enroll.Ends
	first string
	at    time.Time
}

func of(all map[string]*muster, name string) *muster {
	if all[name] == nil {
		all[name] = &muster{}
	}
	return all[name]
}

func (m *muster) add(c store.LifeCount, ends enroll.Ends) {
	m.ends.Merge(ends)
	if c.First != "" && (m.first == "" || c.FirstAt.Before(m.at)) {
		m.first, m.at = c.First, c.FirstAt
	}
}

// group says when those fall that are still up. Nobody stands for long after stop.
func (m *muster) group(name string, counted, stop, now time.Time) adminapi.SurvivalGroup {
	since := now.Sub(counted)
	n := m.ends.After(since)
	g := adminapi.SurvivalGroup{Name: name, Devices: int64(n)}
	if n == 0 {
		return g
	}
	g.FirstCertificate, g.FirstIdentity = m.at, m.first
	if !m.at.After(now) { // it fell, or was renewed since
		g.FirstCertificate, g.FirstIdentity = counted.Add(m.ends.Fallen(1, since)), ""
	}
	g.HalfCertificate = counted.Add(m.ends.Fallen((n+1)/2, since))
	if g.HalfCertificate.Before(g.FirstCertificate) { // which is exact
		g.HalfCertificate = g.FirstCertificate
	}
	g.First, g.Half = earlier(g.FirstCertificate, stop), earlier(g.HalfCertificate, stop)
	return g
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// groupsOf returns those that have machines, the one that falls first before the others.
func groupsOf(all map[string]*muster, counted, stop, now time.Time) []adminapi.SurvivalGroup {
	groups := []adminapi.SurvivalGroup{}
	for name, m := range all {
		if g := m.group(name, counted, stop, now); g.Devices > 0 {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b adminapi.SurvivalGroup) int {
		return cmp.Or(a.FirstCertificate.Compare(b.FirstCertificate), cmp.Compare(a.Name, b.Name))
	})
	return groups
}
