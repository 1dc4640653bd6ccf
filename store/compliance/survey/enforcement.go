package survey

import (
	"context"
	"fmt"
	"math"
	"time"
)

// enforceWithin is how long a revocation may take to those who are connected before they
// are behind.
const enforceWithin = time.Minute

func (s *survey) enforcement(ctx context.Context) error {
	e := &s.facts.Enforcement
	issuers, err := s.Store.LiveIssuers(ctx, s.Now)
	if err != nil {
		return err
	}
	newest := map[string]int64{} // number that everybody should enforce by now, by issuer
	for issuer := range issuers {
		if err := s.list(ctx, issuer); err != nil {
			return err
		}
		number, at, err := s.Store.LastRevoked(ctx, issuer, 0, math.MaxInt64)
		if err != nil && !isNotFound(err) {
			return err
		}
		if err == nil && s.Now.Sub(at) > enforceWithin {
			newest[issuer] = number
		}
		e.Number = max(e.Number, number)
	}
	reports, err := s.Store.EnforcementReports(ctx, s.Now.Add(-24*time.Hour))
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, r := range reports {
		if !seen[r.Identity] {
			seen[r.Identity] = true
			e.Parties++
		}
		if r.Number < newest[r.Issuer] {
			e.Behind.Add(r.Identity, fmt.Sprintf("enforces number %d of %d", r.Number, newest[r.Issuer]))
		}
		e.Oldest = max(e.Oldest, s.Now.Sub(r.Reported))
	}
	return nil
}

// list looks at an issuer's newest list. It is signed anew at a third of its life.
func (s *survey) list(ctx context.Context, issuer string) error {
	crl, err := s.Store.LatestCRL(ctx, issuer, "full")
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	e := &s.facts.Enforcement
	e.Lists++
	switch life, age := crl.NextUpdate.Sub(crl.ThisUpdate), s.Now.Sub(crl.ThisUpdate); {
	case !s.Now.Before(crl.NextUpdate):
		e.Stale.Add("issuer "+issuer, "ended "+crl.NextUpdate.Format(time.RFC3339))
	case age > life/2:
		e.Stale.Add("issuer "+issuer, "signed "+crl.ThisUpdate.Format(time.RFC3339)+", and not since")
	}
	return nil
}
