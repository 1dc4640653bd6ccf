package peer

import (
	"errors"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/stream"
)

func needsFull(err error) bool { return errors.Is(err, crl.ErrBase) }

// take verifies a list and makes it the one in force: then open connections that
// it names are cut, neighbours get it, the CA is told, and it is kept on disk. If
// anything is wrong with it nothing changes. It keeps der only if that is a delta.
func (k *keeper) take(der []byte, persist bool) error {
	list, err := crl.Open(der, k.issuer)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.peer.conf.Now()
	old := k.force.Load()
	next := force{since: now}
	if old == nil {
		next.state, err = crl.NewState(list, now)
	} else {
		next.news = old.news
		next.state, err = old.state.Accept(list, now)
	}
	if needsFull(err) {
		k.foresee(list, der)
	}
	if err != nil {
		return err
	}
	next.number = next.state.Number()
	news := old == nil || saysNew(list, old.state)
	if news {
		next.news = next.number
	}
	k.force.Store(&next)
	k.cutNamed(func(serial crl.Serial) bool { _, is := next.state.Lookup(serial); return is })
	k.event(Enforced, "", nil)
	if news {
		k.peer.reporter.poke()
	}
	k.relay(list, der)
	if persist {
		k.keep(list, der, news)
	}
	return nil
}

// saysNew reports whether a list revokes what was not revoked before.
func saysNew(list *crl.List, old *crl.State) bool {
	for e := range list.Entries().All() {
		if _, known := old.Lookup(e.Serial); !known && e.Reason != crl.RemoveFromCRL {
			return true
		}
	}
	return false
}

// foresee enforces what a verified delta revokes although the full list that it
// builds on is not held yet: when all peers are to fetch that at once they take
// turns, and a revocation does not wait for its turn. What such a delta does not
// name means nothing.
func (k *keeper) foresee(delta *crl.List, der []byte) {
	if known := k.ahead.Load(); known != nil && known.Number() >= delta.Number() || delta.Number() <= k.number() {
		return
	}
	if delta.Scope() != nil || delta.ThisUpdate().After(k.peer.conf.Now().Add(crl.MaxAhead)) {
		return // what Accept would not take either, once it has the full list
	}
	k.ahead.Store(delta)
	k.cutNamed(k.foreseen)
	k.relay(delta, der)
}

// relay makes a delta the newest for neighbours.
func (k *keeper) relay(list *crl.List, der []byte) {
	if !list.IsDelta() {
		return
	}
	k.delta = stream.NewDelta(list.Number(), list.Base(), der, 0)
	if k.peer.relaying.Load() {
		k.hub.Publish(k.delta)
	}
}

// keep writes a list to disk; a delta that says nothing new at most once a
// minute, to spare a machine's flash.
func (k *keeper) keep(list *crl.List, der []byte, news bool) {
	now := k.peer.conf.Now()
	if k.removed || list.IsDelta() && !news && now.Sub(k.kept) < keepEvery {
		return
	}
	kind := full
	if list.IsDelta() {
		kind, k.kept = delta, now
	}
	if err := k.write(kind, der); err != nil {
		k.event(Persisting, "", err)
	}
}

// keepEvery is how often a delta is written that says nothing new.
const keepEvery = time.Minute
