package revoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A Revoker takes certificates and identities away. Its methods may be called
// concurrently.
//
// When one of them returns nil, what fell is on disk, in the audit log and in the
// OCSP answers of every daemon on the store; CRLs follow. Nothing is ever given back.
type Revoker struct {
	Store *store.DB
	Log   *slog.Logger
}

// By is who revokes. That he may was judged before; only the CA's own identities
// are for root alone.
type By struct {
	Name      string     // how the log calls him: "uid:0", or the path of an identity
	Root      bool       // root on the CA's own host
	Address   netip.Addr // zero on the socket
	RequestID string
	// Powers are those without which he may not: they last until it is recorded, or it is
	// not done.
	Powers []store.PowerID
}

// An Order says why to revoke, and whether to do it.
type Order struct {
	Reason crl.Reason
	// DryRun finds out what would fall by doing it and rolling back. Nothing is
	// recorded.
	DryRun bool
}

// Identity makes a tombstone of the identity with this path ("device/pump-7"),
// whatever its state: in one transaction every live certificate is revoked, every
// way back is closed (renewal, re-enrolment, unused tokens), its names are freed,
// and an audit event names all of it. Doing it again is no error, and takes only
// what may have come since. It returns store.ErrNotFound for a path that is not on
// record, and a [*ca.DeniedError] for the CA's own identities.
func (r *Revoker) Identity(ctx context.Context, by By, path string, order Order) (Fallen, error) {
	return r.do(ctx, by, order, "identity.revoke", func(ctx context.Context, tx *store.AloneTx) (Fallen, error) {
		fall, err := tx.RevokeIdentity(ctx, path, int(order.Reason))
		return fallen(path, fall), err
	})
}

// Cut suspends an active identity and revokes the certificates that it holds, in
// one transaction. Resuming it lets the machine enrol anew; what was revoked
// stays so. Cutting a suspended identity revokes what it still holds.
func (r *Revoker) Cut(ctx context.Context, by By, path string, order Order) (Fallen, error) {
	return r.do(ctx, by, order, "identity.suspend", func(ctx context.Context, tx *store.AloneTx) (Fallen, error) {
		id, err := tx.Identity(ctx, path)
		if err != nil {
			return Fallen{Identity: path}, err
		}
		switch id.State {
		case store.Active:
			tx.SetState(path, []store.State{store.Active}, store.Suspended)
		case store.Suspended:
		default:
			return Fallen{Identity: path}, &StateError{Path: path, State: id.State}
		}
		fall, err := tx.RevokeCertificates(ctx, path, int(order.Reason))
		return fallen(path, fall), err
	})
}

// Serial revokes one certificate, expired or not; its identity lives on, and may
// enrol anew by a token that replaces. Doing it again keeps the first reason. It
// returns store.ErrNotFound for a serial that we never issued.
func (r *Revoker) Serial(ctx context.Context, by By, serial store.Serial, order Order) (Fallen, error) {
	return r.do(ctx, by, order, "certificate.revoke", func(ctx context.Context, tx *store.AloneTx) (Fallen, error) {
		revocation, fresh, err := tx.RevokeCertificate(ctx, serial, int(order.Reason))
		return serialFallen(revocation, fresh), err
	})
}

// A StateError reports that an identity is not in a state that can be cut.
type StateError struct {
	Path  string
	State store.State
}

func (e *StateError) Error() string {
	return fmt.Sprintf("%s is %s: only an active or suspended identity can be cut", e.Path, e.State)
}

// errDryRun rolls a transaction back that was only to show what it would do.
var errDryRun = errors.New("dry run")

// do runs one revocation in a transaction of its own, and records it.
func (r *Revoker) do(ctx context.Context, by By, order Order, action string, take func(context.Context, *store.AloneTx) (Fallen, error)) (Fallen, error) {
	if !slices.Contains(reasons[:], order.Reason) {
		return Fallen{}, errReason(order.Reason)
	}
	var out Fallen
	err := r.Store.UpdateAlone(ctx, func(ctx context.Context, tx *store.AloneTx) (audit.Event, error) {
		f, err := take(ctx, tx)
		if err == nil {
			err = tx.Err()
		}
		if err == nil {
			err = by.mayNot(f.Identity)
		}
		if err == nil {
			err = by.acts(tx, f.Identity)
		}
		if err != nil {
			return audit.Event{}, err
		}
		out = f
		if order.DryRun {
			return audit.Event{}, errDryRun
		}
		return by.event(action, order.Reason, f), nil
	})
	switch {
	case errors.Is(err, errDryRun):
		out.Number = 0 // it was given back
		return out, nil
	case err != nil:
		return Fallen{}, err
	}
	r.Log.InfoContext(ctx, "revoked", "identity", out.Identity, "certificates", len(out.Serials), "number", out.Number,
		"reason", order.Reason.String(), "actor", by.Name, "request", by.RequestID)
	return out, nil
}

// mayNot returns a [*ca.DeniedError] for what only root may revoke, else nil.
func (b By) mayNot(path string) error {
	if b.Root || !isAuthority(path) {
		return nil
	}
	return &ca.DeniedError{Rule: ca.RoleCA, Reason: "the CA's own certificates are for root on its host to revoke"}
}

// acts demands that the powers last by which he revokes, and takes their own from the
// people whom he revokes something of: whoever used those may have been a thief.
func (b By) acts(tx *store.AloneTx, paths ...string) error {
	for _, id := range b.Powers {
		tx.UsePower(id, b.Name)
	}
	for _, path := range paths {
		if role, _, _ := strings.Cut(path, "/"); ca.Privileged(role) {
			tx.CutPowers(path)
		}
	}
	return tx.Err()
}

func errReason(r crl.Reason) error { return fmt.Errorf("revoking for %s is not for machines", r) }

func (b By) event(action string, reason crl.Reason, f Fallen) audit.Event {
	e := audit.Event{
		Action: action, Actor: b.Name, Subject: f.Identity, Outcome: "ok", RequestID: b.RequestID,
		Detail: map[string]any{
			"reason": reason.String(), "serials": f.Serials, "tokens": f.Tokens, "accounts": f.Accounts, "requests": f.Requests, "names": f.Names, "number": f.Number,
		},
	}
	if b.Address.IsValid() {
		e.Address = b.Address.String()
	}
	return e
}
