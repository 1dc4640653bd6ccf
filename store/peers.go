package store

import (
	"sync"
	"time"
)

// peers is what a process knows of the others on its database: how far they are. It
// lets a call that revokes return before everyone's lease must be over.
//
// Each process writes its row in the table replicas before it asks what was
// revoked, and has a lease only after both. So whoever reads that table, once a
// revocation is committed, finds in it all who may have asked before. A row whose
// beats stand still for the length of a lease is that of a process without one;
// that is measured on the reader's own monotonic clock. A crash of the server
// empties the table and ends all sessions: so a session believes what it reads only
// when it is older than a lease.
type peers struct {
	mu      sync.Mutex
	changed chan struct{} // closed when anything below changes
	since   time.Duration // when the session began
	asOf    int64         // CRL number that was visible before all was read; 0: nothing can be believed
	all     map[int64]peer
}

// A peer is another process.
type peer struct {
	beats  int64         // of its row
	since  time.Duration // when they were first seen
	seen   int64         // greatest CRL number that it has applied
	lapsed bool
}

// forget begins anew with a session.
func (p *peers) forget(now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since, p.asOf, p.all = now, 0, nil
	p.tell()
}

// A peerRow is what the table says of a peer.
type peerRow struct{ id, beats, seen int64 }

// read takes the table in: it was asked for when the first time says, and read when
// the second says.
func (p *peers) read(number int64, rows []peerRow, asked, read time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[int64]peer, len(rows))
	for _, r := range rows {
		one, known := p.all[r.id]
		if !known || one.beats != r.beats {
			one.beats, one.since = r.beats, read
		}
		one.seen = max(one.seen, r.seen)
		one.lapsed = asked >= one.since+leaseTime+leaseSlack
		all[r.id] = one
	}
	p.all = all
	if asked >= p.since+leaseTime+leaseSlack {
		p.asOf = number
	}
	p.tell()
}

// live says whether another process has a lease, as far as is known.
func (p *peers) live() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.all {
		if !one.lapsed {
			return true
		}
	}
	return false
}

// saw notes that a peer says how far it is.
func (p *peers) saw(id, number int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one, known := p.all[id]; known && number > one.seen {
		one.seen = number
		p.all[id] = one
		p.tell()
	}
}

// tell wakes who waits; the caller holds the lock.
func (p *peers) tell() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// await returns when every other process has applied the number, or has no lease
// any more, which takes 520 ms at most.
func (p *peers) await(number int64) {
	timeout := time.NewTimer(leaseTime + leaseSlack)
	defer timeout.Stop()
	for {
		changed := p.behind(number)
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			return
		}
	}
}

// behind returns nil if all have applied the number; else what is closed when there
// is news.
func (p *peers) behind(number int64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	behind := p.asOf < number
	for _, one := range p.all {
		behind = behind || !one.lapsed && one.seen < number
	}
	if !behind {
		return nil
	}
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}
