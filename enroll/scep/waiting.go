package scep

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Bounds of what is kept for those who wait for approval.
const (
	maxWaiting = 1000
	waitingFor = 24 * time.Hour
)

// waiting keeps requests that a person has to approve, since GetCertInitial does not
// repeat them (RFC 8894, Section 3.3.3). It is lost when the daemon ends: clients are
// then told badCertId, and send their request again.
type waiting struct {
	mu   sync.Mutex
	kept map[[32]byte]kept
}

type kept struct {
	csr   []byte
	since time.Time
}

func newWaiting() *waiting { return &waiting{kept: make(map[[32]byte]kept)} }

// key is of the transaction and the key that signed: nobody else polls for it.
func (m *message) key() [32]byte {
	return sha256.Sum256(append([]byte(m.transaction+"\x00"), m.signer.RawSubjectPublicKeyInfo...))
}

func (s *waiting) keep(m *message, csr []byte, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, k := range s.kept {
		if now.Sub(k.since) > waitingFor || len(s.kept) >= maxWaiting {
			delete(s.kept, key)
		}
	}
	s.kept[m.key()] = kept{csr, now}
}

// take returns the request that a message asks after; nil: none is kept.
func (s *waiting) take(m *message) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[m.key()].csr
}
