package enroll

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// An AccountKey is the public key of an ACME account, whose private key its holder
// has shown to have.
type AccountKey struct {
	Thumbprint [32]byte // RFC 7638, SHA-256
	SPKI       [32]byte // SHA-256 of its SubjectPublicKeyInfo
	JWK        []byte
}

// A NewAccount is an ACME account to be (RFC 8555, Section 7.3).
type NewAccount struct {
	Key      AccountKey
	Contacts []string // URLs
	Terms    bool     // the terms of service were agreed to
	// External is what the account is bound to, once the binding's signature was
	// verified; nil: nothing.
	External *ExternalAccount
	From     netip.Addr
}

// CreateAccount puts an account on record. With an external account it spends the
// token and binds the account to the token's identity for good, which is active
// from now on; a token made with Replace ends what the identity had before:
// certificates, as superseded, and accounts. Either all of it is on disk when
// CreateAccount returns nil, with its audit event, or nothing.
//
// It returns store.ErrExists if the key has an account, for the caller has looked
// before, store.ErrKeyTaken if the key was certified, and what Enroll returns for
// a token that cannot be spent: [ErrUnauthenticated], [ErrReused], a
// [*RateLimitError] or a [*ca.DeniedError].
func (r *Registrar) CreateAccount(ctx context.Context, n NewAccount) (store.Account, error) {
	acc := store.Account{
		ID: store.NewAccountID(), Thumbprint: n.Key.Thumbprint, SPKI: n.Key.SPKI, JWK: n.Key.JWK,
		Status: store.AccountValid, Contacts: n.Contacts, Terms: n.Terms,
	}
	if n.External != nil {
		return r.bindAccount(ctx, n, acc)
	}
	err := r.changeAccount(ctx, acc, n.From, func(tx *store.Tx) audit.Event {
		acc.Created = tx.Now()
		tx.InsertAccount(acc)
		return accountEvent(ctx, "acme.account", acc, n.From, nil)
	})
	if err != nil {
		return store.Account{}, err
	}
	r.log.InfoContext(ctx, "account made", "account", acc.ID.String(), "request", RequestID(ctx))
	return acc, nil
}

// bindAccount spends the token and makes the account in one transaction.
func (r *Registrar) bindAccount(ctx context.Context, n NewAccount, acc store.Account) (store.Account, error) {
	p := n.External.proof
	a := p.unnamed()
	a.Identity.Method = ca.MethodACME
	if p.identity == nil {
		return store.Account{}, fmt.Errorf("token %s: its identity is not on record", p.token.ID)
	}
	err := p.known()
	if err == nil {
		if err = p.admits(a.Identity.ID); err == nil {
			err = r.Policies.Current().Admits(a.Identity)
		}
		if err != nil {
			return store.Account{}, r.refuse(ctx, a, err)
		}
		acc.Identity, acc.Token = p.identity.Path, &p.token.ID
		err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
			acc.Created = tx.Now()
			tx.SpendToken(p.token.ID)
			tx.RevokeAccounts(acc.Identity) // of a token that replaces: there are no others
			if p.identity.State == store.Pending {
				tx.ActivateIdentity(acc.Identity, p.identity.Revision)
			} else {
				tx.ReplaceCertificates(acc.Identity, p.identity.Revision)
				tx.ClearSuspect(acc.Identity)
			}
			tx.InsertAccount(acc)
			return accountEvent(ctx, "acme.account", acc, n.From, map[string]any{"proof": p.String(), "replace": p.token.Replace})
		})
	}
	if errors.Is(err, store.ErrSpent) {
		err = p.spentFor(ctx, n.Key)
	}
	if err != nil {
		return store.Account{}, r.refuse(ctx, a, err)
	}
	r.log.InfoContext(ctx, "account bound", "account", acc.ID.String(), "identity", acc.Identity, "request", RequestID(ctx))
	return acc, nil
}

// spentFor says why the token cannot be spent for an account with that key:
// store.ErrExists if it was, a moment ago.
func (p *tokenProof) spentFor(ctx context.Context, key AccountKey) error {
	acc, err := p.r.store.AccountByKey(ctx, key.Thumbprint)
	switch {
	case err == nil && acc.Token != nil && *acc.Token == p.token.ID:
		return store.ErrExists
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	return p.spent(ctx)
}

// UpdateAccount changes the contacts of an account, and whether it has agreed to
// the terms of service (RFC 8555, Section 7.3.2). It returns store.ErrStale if the
// account is not valid.
func (r *Registrar) UpdateAccount(ctx context.Context, acc store.Account, contacts []string, terms bool, from netip.Addr) error {
	return r.changeAccount(ctx, acc, from, func(tx *store.Tx) audit.Event {
		tx.UpdateAccount(acc.ID, contacts, terms)
		return accountEvent(ctx, "acme.account.update", acc, from, map[string]any{"contacts": len(contacts), "terms": terms})
	})
}

// DeactivateAccount ends an account at its holder's wish (RFC 8555, Section
// 7.3.6). Its certificates stay good. It returns store.ErrStale if the account is
// not valid.
func (r *Registrar) DeactivateAccount(ctx context.Context, acc store.Account, from netip.Addr) error {
	return r.changeAccount(ctx, acc, from, func(tx *store.Tx) audit.Event {
		tx.DeactivateAccount(acc.ID)
		return accountEvent(ctx, "acme.account.deactivate", acc, from, nil)
	})
}

// ChangeAccountKey gives an account another key (RFC 8555, Section 7.3.5), whose
// private key its holder has shown to have, as well as that of the one in acc. It
// returns store.ErrExists if the new key is some account's, store.ErrKeyTaken if
// it was certified, and store.ErrStale if the account is not valid or its key has
// changed meanwhile.
func (r *Registrar) ChangeAccountKey(ctx context.Context, acc store.Account, key AccountKey, from netip.Addr) error {
	return r.changeAccount(ctx, acc, from, func(tx *store.Tx) audit.Event {
		tx.ChangeAccountKey(acc.ID, acc.Thumbprint, key.Thumbprint, key.SPKI, key.JWK)
		return accountEvent(ctx, "acme.account.key", acc, from, map[string]any{"thumbprint": hex.EncodeToString(key.Thumbprint[:])})
	})
}

// changeAccount is the store's Update, and records why it could not be.
func (r *Registrar) changeAccount(ctx context.Context, acc store.Account, from netip.Addr, change func(*store.Tx) audit.Event) error {
	err := r.store.Update(ctx, change)
	if err == nil {
		return nil
	}
	return r.refuseAccount(ctx, acc, "", from, err)
}

// accountEvent is what an account did with itself. Its contacts are not in it: the
// log is for ever, and they are people's addresses.
func accountEvent(ctx context.Context, action string, acc store.Account, from netip.Addr, detail map[string]any) audit.Event {
	if detail == nil {
		detail = make(map[string]any)
	}
	detail["account"] = acc.ID.String()
	if _, changed := detail["thumbprint"]; !changed {
		detail["thumbprint"] = hex.EncodeToString(acc.Thumbprint[:])
	}
	who := accountActor(acc)
	return audit.Event{Action: action, Actor: who, Subject: who, Address: address(from), Outcome: "ok", RequestID: RequestID(ctx), Detail: detail}
}

// accountActor is how the log calls the holder of an account: as the identity that
// it is bound to, if it is.
func accountActor(acc store.Account) string {
	if acc.Identity != "" {
		return acc.Identity
	}
	return "account:" + acc.ID.String()
}
