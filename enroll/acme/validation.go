package acme

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/betonica/betonica/enroll/acme/attest"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/store"
)

// maxValidations is how many may be under way at once, and maxOfAccount how many of
// them one account's: those of an order, so that hosts that stall keep nobody but
// their own client waiting.
const (
	maxValidations = 256
	maxOfAccount   = maxIdentifiers
)

// stalled is after how long an attempt that nothing came of may be made again:
// longer than one can take.
const stalled = time.Minute

// A validation is an attempt at a challenge.
type validation struct {
	authorization store.Authorization
	challenge     string
	account       store.Account
}

// validations are the attempts under way, or about to be.
type validations struct {
	slots chan struct{} // one for each
	queue chan validation

	mu sync.Mutex
	of map[store.AccountID]int // how many slots an account has; not in it: none
}

func newValidations() *validations {
	return &validations{
		slots: make(chan struct{}, maxValidations), queue: make(chan validation, maxValidations), of: make(map[store.AccountID]int),
	}
}

// run makes the validations of the queue until ctx ends, and waits for those under
// way. Those that have not begun are dropped.
func (v *validations) run(ctx context.Context, validate func(context.Context, validation)) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case next := <-v.queue:
			running.Go(func() {
				defer v.release(next.account.ID)
				validate(ctx, next)
			})
		}
	}
}

func (v *validations) reserve(account store.AccountID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of[account] >= maxOfAccount {
		return false
	}
	select {
	case v.slots <- struct{}{}:
		v.of[account]++
		return true
	default:
		return false
	}
}

func (v *validations) release(account store.AccountID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of[account]--; v.of[account] == 0 {
		delete(v.of, account)
	}
	<-v.slots
}

// attempt has a challenge looked at, which takes its time; the client asks what
// came of it. It returns store.ErrStale if an attempt is under way, and a
// [*problem] if too many are.
func (h *Handler) attempt(ctx context.Context, a store.Authorization, typ string, by store.Account) error {
	if !h.validations.reserve(by.ID) {
		return limited("too many validations are under way", poll)
	}
	err := h.Store.Relaxed(ctx, func(tx *store.RelaxedTx) { tx.AttemptAuthorization(a.ID, typ) })
	if err != nil {
		h.validations.release(by.ID)
		return err
	}
	h.validations.queue <- validation{a, typ, by} // has room: there are as many slots
	return nil
}

// resume makes an attempt again that was given up, because this process or another
// stopped, or nobody could tell. It is the client's asking that brings it about.
func (h *Handler) resume(ctx context.Context, a store.Authorization, by store.Account) {
	now := h.Now()
	if authorizationStatus(a, now) != statusPending || a.Attempted == nil || now.Sub(*a.Attempted) < stalled || a.Challenge == deviceAttest01 {
		return
	}
	if err := h.attempt(ctx, a, a.Challenge, by); err != nil && !errors.Is(err, store.ErrStale) {
		h.Log.WarnContext(ctx, "a validation is not made again", "authorization", a.ID.String(), "err", err)
	}
}

// validate looks at a challenge and records what it saw.
func (h *Handler) validate(ctx context.Context, v validation) {
	a := v.authorization
	err := h.Validator.Validate(ctx, validate.Challenge{
		Type: v.challenge, Token: a.Token, KeyAuthorization: keyAuthorization(a, v.account), Identifier: a.Value, Wildcard: a.Wildcard,
	})
	if err := h.complete(context.WithoutCancel(ctx), a, err, nil); err != nil && !errors.Is(err, store.ErrStale) {
		h.Log.ErrorContext(ctx, "a validation is not recorded", "authorization", a.ID.String(), "err", err)
	}
}

// complete records what came of an attempt. An error that says nothing about the
// challenge leaves it pending, to be attempted again.
func (h *Handler) complete(ctx context.Context, a store.Authorization, failure error, spki []byte) error {
	now := h.Now()
	status, detail := store.AuthorizationValid, []byte(nil)
	if failure != nil {
		h.Log.LogAttrs(ctx, slog.LevelInfo, "challenge failed", slog.String("authorization", a.ID.String()),
			slog.String("identifier", a.Value), slog.String("error", failure.Error()), slog.Any("cause", errors.Unwrap(failure)))
		if !conclusive(failure) {
			return nil
		}
		h.limits.failed(a.Account, now)
		var err error
		if detail, err = json.Marshal(challengeProblem(failure)); err != nil {
			return err
		}
		status, spki = store.AuthorizationInvalid, nil
	}
	return h.Store.Relaxed(ctx, func(tx *store.RelaxedTx) {
		tx.CompleteAuthorization(a.ID, status, detail, spki, now.Add(validLife))
	})
}

func conclusive(failure error) bool {
	_, validated := errors.AsType[*validate.Error](failure)
	_, attested := errors.AsType[*attest.Error](failure)
	return validated || attested
}
