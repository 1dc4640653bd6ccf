package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store"
)

// Status tells of each intermediate, in the order of their making, and how far the
// change to the next one is; nil if there never was one. It counts: see
// [store.DB.CountByIssuer].
func (i *issuance) Status(ctx context.Context) ([]adminapi.Intermediate, *adminapi.Rotation, error) {
	now := time.Now()
	counts, err := i.store.CountByIssuer(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := i.known()
	answering := map[string]bool{}
	for _, a := range i.issuers.All() {
		answering[a.IssuerID()] = true
	}
	var all []adminapi.Intermediate
	for _, one := range s.intermediates {
		sum, count := sha256.Sum256(one.certificate.Raw), counts[one.id]
		state := "rests"
		_, revoked := i.validation.root.Revoked(one.certificate)
		switch {
		case revoked:
			state = "revoked"
		case one.id == i.issuers.Current().IssuerID():
			state = "issues"
		case s.roster.Move != nil && one.id == s.roster.Move.To:
			state = "next"
		case answering[one.id]:
			state = "answers"
		}
		all = append(all, adminapi.Intermediate{
			Issuer: adminapi.Issuer{
				Subject: one.certificate.Subject.String(), SHA256: hex.EncodeToString(sum[:]), KeyID: one.id, NotAfter: one.certificate.NotAfter,
			},
			State: state, Certificates: count.Live - count.Revoked, Revoked: count.Revoked, LastNotAfter: count.Last,
		})
	}
	if s.roster.Move == nil {
		return all, nil, nil
	}
	replaced, err := i.store.CountReplaced(ctx, ca.RoleCA)
	if err != nil {
		return nil, nil, err
	}
	return all, progress(s.roster.Move, counts, replaced, now), nil
}

// progress says how far a move is. What was replaced does not have to be moved.
func progress(m *move, counts map[string]store.IssuerCount, replaced map[string]int64, now time.Time) *adminapi.Rotation {
	r := &adminapi.Rotation{
		State: string(m.State), From: m.From, To: m.To, Begins: m.Begins, Since: m.Since, Seconds: int64(time.Duration(m.Pace).Seconds()),
	}
	for id, count := range counts {
		live := count.Live - count.Revoked - replaced[id]
		r.Total += live
		switch {
		case id == m.To:
			r.Done = live
		case live > 0 && count.Last.After(r.Ends):
			r.Ends = count.Last
		}
	}
	switch {
	case m.State == moveOn && now.Before(m.Begins):
		r.State = "known"
	case m.State == moveOn && r.Done == r.Total:
		r.State = "done"
	case m.State == moveOn:
		r.State = "moving"
	}
	return r
}
