package acme

import (
	"context"
	"errors"
	"net/http"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

// newAccount makes an account, or finds the one that the key has (RFC 8555,
// Section 7.3).
func (h *Handler) newAccount(w http.ResponseWriter, r *request) error {
	var req accountRequest
	if err := decode(r.payload, &req); err != nil {
		return err
	}
	key, err := r.key.record()
	if err != nil {
		return err
	}
	existing, err := h.Store.AccountByKey(r.Context(), key.Thumbprint)
	if err == nil {
		return r.replyExisting(w, existing)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if req.OnlyReturnExisting {
		return errNoAccount
	}
	created, err := h.createAccount(r, req, key)
	if errors.Is(err, store.ErrExists) { // the client has asked twice at once
		if existing, err = h.Store.AccountByKey(r.Context(), key.Thumbprint); err == nil {
			return r.replyExisting(w, existing)
		}
	}
	if err != nil {
		return err
	}
	return r.replyAccount(w, http.StatusCreated, created)
}

func (h *Handler) createAccount(r *request, req accountRequest, key enroll.AccountKey) (store.Account, error) {
	a := enroll.NewAccount{Key: key, Terms: req.TermsOfServiceAgreed, From: r.from()}
	if req.Contact != nil {
		a.Contacts = *req.Contact
	}
	if err := checkContacts(a.Contacts); err != nil {
		return store.Account{}, err
	}
	if h.Settings.TermsOfService != "" && !a.Terms {
		p := newProblem(http.StatusForbidden, userActionRequired, "the terms of service must be agreed to")
		p.terms = h.Settings.TermsOfService
		return store.Account{}, p
	}
	if req.ExternalAccount == nil && h.Settings.RequireEAB {
		return store.Account{}, errExternalAccountRequired
	}
	if req.ExternalAccount != nil {
		var err error
		a.External, err = h.externalAccount(r.Context(), *req.ExternalAccount, r.base+pathNewAccount, key, a.From)
		if err != nil {
			return store.Account{}, err
		}
	}
	// Bindings that are bad have a limit of their own, and do not count here: they
	// would keep those out who come from the same address with a good one.
	if err := h.limits.newAccount(a.From, h.Now()); err != nil {
		return store.Account{}, err
	}
	return h.Registrar.CreateAccount(r.Context(), a)
}

// account reads, updates (Section 7.3.2) or deactivates (Section 7.3.6) the
// client's own account.
func (h *Handler) account(w http.ResponseWriter, r *request) error {
	if err := r.ownAccount(); err != nil {
		return err
	}
	if len(r.payload) == 0 {
		return r.replyAccount(w, http.StatusOK, r.account.Account)
	}
	var req accountRequest
	if err := decode(r.payload, &req); err != nil {
		return err
	}
	if err := h.updateAccount(r.Context(), r, req); err != nil {
		return err
	}
	updated, err := h.Store.Account(r.Context(), r.account.ID)
	if err != nil {
		return err
	}
	return r.replyAccount(w, http.StatusOK, updated)
}

func (h *Handler) updateAccount(ctx context.Context, r *request, req accountRequest) error {
	switch req.Status {
	case "deactivated":
		return h.Registrar.DeactivateAccount(ctx, r.account.Account, r.from())
	case "", "valid":
	default:
		return malformed("an account can be deactivated, and nothing else")
	}
	contacts, terms := r.account.Contacts, r.account.Terms || req.TermsOfServiceAgreed
	if req.Contact != nil {
		contacts = *req.Contact
	}
	if req.Contact == nil && terms == r.account.Terms {
		return nil
	}
	if err := checkContacts(contacts); err != nil {
		return err
	}
	return h.Registrar.UpdateAccount(ctx, r.account.Account, contacts, terms, r.from())
}

// ownAccount refuses an account's URL to others.
func (r *request) ownAccount() error {
	if r.PathValue("account") != r.account.ID.String() {
		return newProblem(http.StatusForbidden, unauthorized, "this is not the URL of the account that signed")
	}
	return nil
}

// replyExisting answers with the account that the key has had before.
func (r *request) replyExisting(w http.ResponseWriter, a store.Account) error {
	if a.Status != store.AccountValid {
		return closed(a)
	}
	return r.replyAccount(w, http.StatusOK, a)
}

func (r *request) replyAccount(w http.ResponseWriter, status int, a store.Account) error {
	url := r.base + pathAccount + a.ID.String()
	w.Header().Set("Location", url)
	return reply(w, status, accountObject{
		Status: string(a.Status), Contact: a.Contacts, TermsOfServiceAgreed: a.Terms, Orders: url + "/orders",
	})
}
