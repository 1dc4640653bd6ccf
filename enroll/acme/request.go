package acme

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// A request is a POST that is authenticated: url and nonce are good, and the
// signature verifies under the key.
type request struct {
	*http.Request
	base    string // "https://" and the host: what URLs begin with
	payload []byte // empty: POST-as-GET (RFC 8555, Section 6.3)

	key     *accountKey        // who signed
	account *store.HeldAccount // nil if signed by jwk
}

// A signer says how a page has its requests signed (Section 6.2).
type signer int

const (
	byAccount signer = iota // kid: the account's URL
	byKey                   // jwk: a key that may have no account yet
	byEither                // a certificate's key, or an account's
)

// authenticate reads a POST and finds out who sent it. The nonce is used up last,
// which on PostgreSQL is a write: only what is signed costs one.
func (h *Handler) authenticate(w http.ResponseWriter, r *http.Request, by signer) (*request, error) {
	base, err := h.base(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	j, err := parseJWS(body, accountAlgorithms)
	if err != nil {
		return nil, err
	}
	if j.header.URL == nil || *j.header.URL != base+r.URL.RequestURI() {
		return nil, newProblem(http.StatusUnauthorized, unauthorized, "JWS: url is not that of the request") // Section 6.4
	}
	req := &request{Request: r, base: base, payload: j.payload}
	if by == byKey || by == byEither && j.header.KeyID == nil {
		req.key, err = j.publicKey()
	} else {
		req.account, req.key, err = h.signingAccount(r, base, j)
	}
	if err != nil {
		return nil, err
	}
	if err := j.verify(req.key.public); err != nil {
		return nil, err
	}
	if err := h.useNonce(r.Context(), j.header.Nonce); err != nil {
		return nil, err
	}
	if req.account != nil && req.account.Status != store.AccountValid {
		return nil, closed(req.account.Account)
	}
	return req, nil
}

// signingAccount returns the account that the JWS names in kid, and its key.
func (h *Handler) signingAccount(r *http.Request, base string, j *jws) (*store.HeldAccount, *accountKey, error) {
	if j.header.KeyID == nil || j.header.Key != nil {
		return nil, nil, malformed("JWS: this request is signed with kid in the header, and no jwk")
	}
	id, ok := h.accountID(base, *j.header.KeyID)
	if !ok {
		return nil, nil, errNoAccount
	}
	account, err := h.Store.HeldAccount(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errNoAccount
	}
	if err != nil {
		return nil, nil, err
	}
	key, err := storedKey(account.Account)
	if err != nil {
		return nil, nil, err
	}
	return &account, key, key.fits(j.header.Algorithm)
}

var errNoAccount = newProblem(http.StatusBadRequest, accountDoesNotExist, "there is no such account")

// closed is what the owner of an account that is not valid any more is told. Of a
// deactivated one, Section 7.3.6 has the status.
func closed(a store.Account) error {
	status := http.StatusForbidden
	if a.Status == store.AccountDeactivated {
		status = http.StatusUnauthorized
	}
	return newProblem(status, unauthorized, "the account is "+string(a.Status)+": a new one takes another key")
}

// accountID reads an account's URL. It may have another of our names than the
// request has: clients keep the URL, and the CA may get a better name.
func (h *Handler) accountID(base, kid string) (store.AccountID, bool) {
	path, ok := strings.CutPrefix(kid, base)
	if !ok {
		u, err := url.Parse(kid)
		if err != nil || u.Scheme != "https" || !h.names[strings.ToLower(u.Hostname())] || u.RawQuery != "" {
			return store.AccountID{}, false
		}
		path = u.Path
	}
	text, ok := strings.CutPrefix(path, pathAccount)
	if !ok {
		return store.AccountID{}, false
	}
	id, err := store.ParseAccountID(text)
	return id, err == nil
}

// base returns what URLs begin with, for this client: it may know us by any of our
// names, and by no other.
func (h *Handler) base(r *http.Request) (string, error) {
	host := url.URL{Host: r.Host}
	if !h.names[strings.ToLower(host.Hostname())] {
		return "", malformed("the host is none of this server's names: its operator adds it to server.names")
	}
	return "https://" + r.Host, nil
}

// from is the address that the request comes from.
func (r *request) from() netip.Addr { return api.Source(r.Request) }

// asGet demands an empty payload.
func (r *request) asGet() error {
	if len(r.payload) > 0 {
		return malformed("this page is read only: the payload must be empty")
	}
	return nil
}
