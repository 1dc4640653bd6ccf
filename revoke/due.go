package revoke

import "time"

const (
	maxDeltas  = 10 // a second, whoever signs them
	fullPause  = time.Second
	fullShare  = 10              // a full list is signed for a tenth of the time at most
	deltaShare = 4               // a delta that others serve, too, for a quarter, but
	deltaPause = time.Second     // at most so long after the last
	retryAfter = 2 * time.Second // a list that could not be signed
	fullWithin = 5 * time.Minute // a full list is made: a store that does not answer is asked again
)

// deltaDue returns when this process is to sign the next delta. Where others sign, too,
// whoever revoked tells of it, and others only if he does not; one of them, the
// eldest, signs when nothing happens, and another one only if that is late. Who has a
// wrong clock gives way to all others.
func (p *Publisher) deltaDue() time.Time {
	if p.deltaErr != nil {
		return p.triedAt.Add(min(retryAfter, p.Heartbeat))
	}
	soon := later(p.deltaAt, p.triedAt).Add(time.Second / maxDeltas)
	if p.others != nil {
		soon = later(soon, p.triedAt.Add(min(deltaShare*p.deltaTook, deltaPause)))
	}
	off, turn := p.holdsBack(), theirTurn
	if off {
		turn *= offTurn
	}
	eldest := p.Store.Eldest() && !off
	some, here, since := p.news.untold()
	if here && !off || p.unsure && eldest {
		return soon
	}
	due := p.deltaAt.Add(p.Heartbeat)
	if !eldest {
		due = due.Add(p.Heartbeat / 2)
	}
	if off {
		due = due.Add(p.Heartbeat)
	}
	if some || p.unsure {
		due = earlier(due, since.Add(turn))
	}
	if at, base := p.baseDue(); base && eldest {
		due = earlier(due, at)
	}
	return later(due, soon)
}

// fullDue returns when this process is to sign the next full list: soon if it misses a
// revocation that a delta tells of, the lists of a new n, or one in place of a list
// that was refused; at a third of its life if not. Where others sign, too, that is the
// eldest's, and theirs only if it is very late.
func (p *Publisher) fullDue() time.Time {
	full := p.full.Load()
	due := p.fullAt.Add(max(fullPause, fullShare*p.took))
	if p.news.newestTold() <= full.Number && !p.resign.Load() {
		due = later(due, full.ThisUpdate.Add(p.Lifetime/3))
	}
	if !p.Store.Eldest() || p.holdsBack() {
		due = due.Add(fullGrace)
	}
	return due
}

// lookDue returns when to look for what other processes have published.
func (p *Publisher) lookDue() time.Time {
	if p.others == nil {
		return time.Now().Add(time.Hour)
	}
	return p.others.due()
}

// mayNotSign says whether this process does not hear of others' revocations in time.
func (p *Publisher) mayNotSign() bool { return p.others != nil && p.Store.Lapsed() }

func (p *Publisher) isDue(at time.Time) bool { return !time.Now().Before(at) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
