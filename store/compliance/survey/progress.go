package survey

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
)

// A progress adds up what the parts have done, and tells it ten times a second at most.
type progress struct {
	mu          sync.Mutex
	done, total int64
	told        time.Time
	tell        func(done, total int64)
}

func (p *progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if now := time.Now(); p.tell != nil && now.Sub(p.told) >= 100*time.Millisecond {
		p.told = now
		p.tell(min(p.done, p.total), p.total)
	}
}

// end tells how much was done in the end.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tell != nil {
		p.tell(min(p.done, p.total), p.total)
	}
}

// plan finds out how much there is to read, and reads what records are held against.
func (s *survey) plan(ctx context.Context) error {
	counts, err := s.Store.Counts(ctx)
	if err != nil {
		return err
	}
	s.facts.Certificates.Revoked = counts.Revoked
	s.facts.Identities.States = map[string]int64{}
	for state, n := range counts.Identities {
		s.facts.Identities.States[string(state)] = n
	}
	s.facts.Identities.Suspect.N = counts.Suspects
	s.progress.total, s.progress.tell = counts.Live, s.Progress
	for after := ""; ; {
		page, err := s.Store.Journals(ctx, "", after, 100)
		if err != nil {
			return err
		}
		for _, j := range page {
			after = j.Origin
			j.Statement, j.Frontier, j.RemovedFrontier = nil, nil, nil
			s.journals = append(s.journals, j)
			s.progress.total += j.Size - j.Removed
		}
		if len(page) < 100 {
			break
		}
	}
	return s.revocations(ctx)
}

// maxRevoked bounds the revoked certificates that records are held against.
const maxRevoked = 500_000

// revocations reads the certificates that were revoked, and had not ended when the period
// began.
func (s *survey) revocations(ctx context.Context) error {
	number, err := s.Store.CRLNumber(ctx)
	if err != nil {
		return err
	}
	issuers, err := s.Store.LiveIssuers(ctx, s.facts.Since)
	if err != nil {
		return err
	}
	s.revoked = map[store.Serial]time.Time{}
	for issuer := range issuers {
		for r, err := range s.Store.Revocations(ctx, issuer, number, s.facts.Since) {
			if err != nil {
				return err
			}
			if len(s.revoked) == maxRevoked {
				s.facts.Access.VoidsLost = true
				break
			}
			s.revoked[r.Serial] = r.At
		}
	}
	s.facts.Access.Voids = int64(len(s.revoked))
	return nil
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
