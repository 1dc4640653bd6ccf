package crl

import (
	"bytes"
	"fmt"
	"time"
)

// MaxAhead is how far a list's thisUpdate may lie ahead of a relying party's clock.
const MaxAhead = 5 * time.Minute

// A State is what a relying party knows of one issuer: a full list, and the newest
// delta to it. It comes from [NewState] and grows by [State.Accept], which never lets
// it fall back. To keep it over a restart, keep the DER of both lists, and open and
// accept them again.
type State struct {
	full  *List
	delta *List // nil: none since the full list
}

// NewState begins with a full list. Its errors are those of [State.Accept]; a delta
// alone gets [ErrBase].
func NewState(full *List, now time.Time) (*State, error) {
	if err := full.usable(now); err != nil {
		return nil, err
	}
	if full.delta {
		return nil, fmt.Errorf("%w: it builds on %d, and none is held", ErrBase, full.base)
	}
	return &State{full: full}, nil
}

// Accept returns the state in which l is known too; s stays as it was. It takes
//
//   - a full list with a number above that of what is known;
//   - a full list no newer than the delta that is known, but newer than the full list
//     that it builds on: the number stays, and so does what the delta said;
//   - a delta with a number above that of what is known, whose base is not newer than
//     the full list that is known: deltas are cumulative, so those between are not missed.
//
// Errors wrap [ErrOld], [ErrBase], [ErrAhead], [ErrPartial], or [ErrIssuer] if l is of
// another issuer than what is known. A list whose NextUpdate is over is taken: what it
// revokes is revoked.
func (s *State) Accept(l *List, now time.Time) (*State, error) {
	if err := l.usable(now); err != nil {
		return nil, err
	}
	held := s.full.number
	if l.delta {
		held = s.Number()
	}
	switch {
	case !sameIssuer(l, s.full):
		return nil, ErrIssuer
	case l.number <= held:
		return nil, fmt.Errorf("%w: number %d, and %d is held", ErrOld, l.number, held)
	case l.delta && l.base > s.full.number:
		return nil, fmt.Errorf("%w: it builds on %d, and %d is held", ErrBase, l.base, s.full.number)
	case l.delta:
		return &State{full: s.full, delta: l}, nil
	case s.delta != nil && l.number <= s.delta.number:
		return &State{full: l, delta: s.delta}, nil
	}
	return &State{full: l}, nil
}

// usable returns nil if the list is about all certificates, and not of the future.
func (l *List) usable(now time.Time) error {
	if l.scope != nil {
		return ErrPartial
	}
	if l.thisUpdate.After(now.Add(MaxAhead)) {
		return fmt.Errorf("%w: made at %s", ErrAhead, l.thisUpdate.Format(time.RFC3339))
	}
	return nil
}

func sameIssuer(a, b *List) bool {
	return bytes.Equal(a.issuer.RawSubject, b.issuer.RawSubject) &&
		bytes.Equal(a.issuer.RawSubjectPublicKeyInfo, b.issuer.RawSubjectPublicKeyInfo)
}

// Lookup returns the entry of a revoked certificate, and false if it was not revoked.
// Only until [State.NextUpdate] does false mean that a certificate may be trusted.
func (s *State) Lookup(serial Serial) (Entry, bool) {
	if s.delta != nil {
		if e, ok := s.delta.entries.Lookup(serial); ok {
			return e, e.Reason != RemoveFromCRL
		}
	}
	return s.full.entries.Lookup(serial)
}

// newest returns the list that was made last.
func (s *State) newest() *List {
	if s.delta != nil {
		return s.delta
	}
	return s.full
}

// Number returns the number of the newest list.
func (s *State) Number() int64 { return s.newest().number }

// Base returns the number of the full list.
func (s *State) Base() int64 { return s.full.number }

// ThisUpdate returns as of when the state is right: when its newest list was made.
func (s *State) ThisUpdate() time.Time { return s.newest().thisUpdate }

// NextUpdate returns until when the state may be relied on: what its newest list says.
func (s *State) NextUpdate() time.Time { return s.newest().nextUpdate }
