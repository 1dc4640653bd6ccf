package revoke

import (
	"context"
	"errors"
	"time"

	"github.com/betonica/betonica/revoke/ocsp"
)

// answer answers a request that was parsed: from the cache if it can.
func (s *Responder) answer(ctx context.Context, req *ocsp.Request) (*answer, ocsp.ErrorStatus) {
	now, err := s.Clock.Now()
	if err != nil {
		return nil, ocsp.TryLater
	}
	if len(req.IDs) != 1 || req.Nonce != nil || s.voice(req.IDs[0]) == nil {
		s.counts.live.Add(1)
		return s.current(s.sign(ctx, req, now))
	}
	for range 3 { // a revocation of another certificate may come between
		kept, epoch := s.cache.get(req.IDs[0], now)
		if kept != nil {
			s.counts.hits.Add(1)
			return s.current(kept, 0)
		}
		s.counts.misses.Add(1)
		made, status := s.sign(ctx, req, now)
		if made == nil {
			return nil, status
		}
		if s.cache.put(made, epoch) {
			return s.current(made, 0)
		}
	}
	return nil, ocsp.TryLater
}

// current holds an answer back where others may have revoked since what it says was
// read: it is asked last of all, since signing takes time, and a process may stand
// still meanwhile.
func (s *Responder) current(a *answer, status ocsp.ErrorStatus) (*answer, ocsp.ErrorStatus) {
	if s.Store.Lapsed() {
		s.counts.lapsed.Add(1)
		return nil, ocsp.TryLater
	}
	return a, status
}

// sign makes an answer in the name of whoever issued the first certificate that is
// asked about and is ours or an intermediate: one signature cannot speak for
// others, whose certificates are unknown to it. An intermediate's word goes before
// the root's. The number of answers being made is bounded.
func (s *Responder) sign(ctx context.Context, req *ocsp.Request, now time.Time) (*answer, ocsp.ErrorStatus) {
	turn := time.NewTimer(liveWait)
	defer turn.Stop()
	select {
	case s.live <- struct{}{}:
		defer func() { <-s.live }()
	case <-turn.C:
		s.counts.refused.Add(1)
		return nil, ocsp.TryLater
	case <-ctx.Done():
		return nil, ocsp.TryLater
	}
	if s.Store.Lapsed() { // do not ask a store that may be away
		s.counts.lapsed.Add(1)
		return nil, ocsp.TryLater
	}
	this := now.Truncate(time.Second)
	out := ocsp.Response{ProducedAt: this, Nonce: req.Nonce}
	speaker, signer := s.speaker(req.IDs)
	if signer == nil {
		return nil, ocsp.Unauthorized
	}
	for _, id := range req.IDs {
		single := ocsp.SingleResponse{ID: id, Status: ocsp.Unknown, ThisUpdate: this, NextUpdate: this.Add(s.Lifetime)}
		switch {
		case speaker != nil && speaker.issuer.Issued(id):
			err := s.status(ctx, speaker, &single)
			if errors.Is(err, errPurged) {
				if len(req.IDs) == 1 { // no authoritative record (RFC 9919, Section 3.2.3)
					return nil, ocsp.Unauthorized
				}
				err = nil // unknown, beside others that are not
			}
			if err != nil {
				s.Log.WarnContext(ctx, "OCSP: the store does not answer", "error", err)
				return nil, ocsp.TryLater
			}
		case speaker == nil && s.Root.issuer.Issued(id):
			s.rootStatus(&single)
		}
		out.Responses = append(out.Responses, single)
	}
	body, err := signer.Sign(out)
	if err != nil {
		s.Log.ErrorContext(ctx, "signing an OCSP answer", "error", err)
		return nil, ocsp.InternalError
	}
	return newAnswer(req.IDs[0], body, this, this.Add(s.Lifetime)), 0
}

// speaker returns in whose name to answer, nil for the root, and who signs; no
// signer if nothing that is asked about is of ours.
func (s *Responder) speaker(ids []ocsp.CertID) (*voice, *ocsp.Responder) {
	roots := false
	for _, id := range ids {
		if v := s.voice(id); v != nil {
			return v, v.delegate.Load().Responder
		}
		roots = roots || s.Root.issuer.Issued(id)
	}
	if roots {
		return nil, s.Root.newest.Load().responder
	}
	return nil, nil
}
