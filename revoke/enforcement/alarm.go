package enforcement

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

const (
	lagBeats = 3 // heartbeats
	lieEvery = time.Minute
	maxLies  = 10_000 // identities, before old ones are dropped
)

// A sample is the newest number at a time.
type sample struct {
	at     time.Time
	number int64
}

// sample notes the newest numbers. Of the samples that are three heartbeats old, the
// newest is kept. It does not matter who has signed: numbers rise over all processes.
func (e *Registry) sample(now time.Time) {
	signed := e.Signed()
	e.mu.Lock()
	defer e.mu.Unlock()
	for issuer, number := range signed {
		past := append(e.past[issuer], sample{now, number})
		for len(past) > 1 && now.Sub(past[1].at) >= lagBeats*e.Heartbeat {
			past = past[1:]
		}
		e.past[issuer] = past
	}
}

// lagging says, under the lock, whether a number is older than three heartbeats, or
// lower than what the party said before; before may be nil.
func (e *Registry) lagging(before *said, issuer string, number int64, now time.Time) bool {
	if before != nil && number < before.Number {
		return true
	}
	for _, s := range slices.Backward(e.past[issuer]) {
		if now.Sub(s.at) >= lagBeats*e.Heartbeat {
			return number < s.number
		}
	}
	return false
}

// alarm logs, under the lock, that a party begins to lag, or has caught up.
func (e *Registry) alarm(ctx context.Context, identity string, before *said, r Report, newest int64, lagging bool) {
	was := before != nil && before.lagging
	switch {
	case lagging && !was:
		e.Log.WarnContext(ctx, "a relying party lags", "identity", identity, "issuer", r.Issuer, "number", r.Number, "newest", newest)
	case was && !lagging:
		e.Log.InfoContext(ctx, "a relying party has caught up", "identity", identity, "issuer", r.Issuer, "number", r.Number)
	}
}

// An AheadError refuses a report of a number that does not exist.
type AheadError struct{ Number, Newest int64 }

func (e *AheadError) Error() string {
	return fmt.Sprintf("number %d is above the newest that was signed, %d", e.Number, e.Newest)
}

// refuse alarms, and puts a false report on record, at most once a minute for each
// identity. It returns why.
func (e *Registry) refuse(ctx context.Context, by Reporter, r Report, why *AheadError) error {
	e.refused.Add(1)
	if !e.newLie(by.Identity, e.Now()) {
		return why
	}
	e.tell(ctx, noticeRefused, by.Identity)
	e.Log.ErrorContext(ctx, "a relying party acknowledges what it cannot have", "identity", by.Identity, "issuer", r.Issuer,
		"number", why.Number, "newest", why.Newest, "address", text(by.Address), "request", by.RequestID)
	err := e.Store.Update(context.WithoutCancel(ctx), func(*store.Tx) audit.Event {
		return audit.Event{
			Action: "enforcement.refuse", Actor: by.Identity, Subject: by.Identity, Address: text(by.Address),
			Outcome: why.Error(), RequestID: by.RequestID, Detail: map[string]any{"issuer": r.Issuer},
		}
	})
	if err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	return why
}

// newLie says whether the last one of an identity is a minute old.
func (e *Registry) newLie(identity string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if last, ok := e.lies[identity]; ok && now.Sub(last) < lieEvery {
		return false
	}
	if len(e.lies) >= maxLies {
		for other, at := range e.lies {
			if now.Sub(at) >= lieEvery {
				delete(e.lies, other)
			}
		}
	}
	e.lies[identity] = now
	return true
}
