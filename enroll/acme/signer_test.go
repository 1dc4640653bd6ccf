package acme_test

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
)

// A user is an ACME client by hand: it signs what a test likes, also what no
// client would.
type user struct {
	w   *world
	key *ecdsa.PrivateKey
	kid string // URL of its account; "": signs with jwk
}

// An answer is what a request was answered with.
type answer struct {
	*http.Response
	body []byte
	t    *testing.T
}

func (a answer) json() map[string]any {
	a.t.Helper()
	var object map[string]any
	require.NoError(a.t, json.Unmarshal(a.body, &object), "%s", a.body)
	return object
}

// ok demands a status of success and returns the object.
func (a answer) ok() map[string]any {
	a.t.Helper()
	require.Less(a.t, a.StatusCode, 300, "%s", a.body)
	return a.json()
}

// refused demands that error, as the protocol has it.
func (a answer) refused(status int, kind string) map[string]any {
	a.t.Helper()
	require.Equal(a.t, status, a.StatusCode, "%s", a.body)
	require.Equal(a.t, "application/problem+json", a.Header.Get("Content-Type"))
	object := a.json()
	require.Equal(a.t, "urn:ietf:params:acme:error:"+kind, object["type"], "%s", a.body)
	require.NotEmpty(a.t, object["detail"])
	return object
}

// newUser returns a client with a key and no account.
func (w *world) newUser() *user { return &user{w: w, key: enrolltest.NewKey(w.t)} }

// bound returns a client whose account a token has bound to an identity.
func (w *world) bound(role, name string) *user {
	w.t.Helper()
	u := w.newUser()
	kid, key := w.eab(role, name)
	u.register(map[string]any{"externalAccountBinding": u.eab(kid, key)})
	return u
}

// unbound returns a client with an account of no identity.
func (w *world) unbound() *user {
	w.t.Helper()
	u := w.newUser()
	u.register(map[string]any{})
	return u
}

func (u *user) register(request map[string]any) {
	u.w.t.Helper()
	a := u.post("/acme/new-account", request)
	a.ok()
	u.kid = a.Header.Get("Location")
}

// nonce fetches one.
func (w *world) nonce() string {
	w.t.Helper()
	resp, _ := w.get(http.MethodHead, "/acme/new-nonce")
	require.Equal(w.t, http.StatusOK, resp.StatusCode)
	return resp.Header.Get("Replay-Nonce")
}

// post signs a payload for a path, or the URL that the server has named, and sends
// it. A nil payload is POST-as-GET.
func (u *user) post(path string, payload any) answer {
	u.w.t.Helper()
	return u.send(u.target(path), u.sign(path, payload, nil))
}

func (u *user) target(path string) string {
	if path[0] == '/' {
		return u.w.url(path)
	}
	return path
}

func (u *user) send(target string, body []byte) answer {
	u.w.t.Helper()
	resp, text := u.w.post(target, body)
	require.NotEmpty(u.w.t, resp.Header.Get("Replay-Nonce"), "every answer to a POST has a nonce")
	return answer{resp, text, u.w.t}
}

// sign returns a JWS over payload; change may edit the protected header.
func (u *user) sign(path string, payload any, change func(header map[string]any)) []byte {
	u.w.t.Helper()
	header := map[string]any{"alg": "ES256", "nonce": u.w.nonce(), "url": u.target(path)}
	if u.kid != "" {
		header["kid"] = u.kid
	} else {
		header["jwk"] = jwk(&u.key.PublicKey)
	}
	if change != nil {
		change(header)
	}
	return flat(u.w.t, u.key, header, payload)
}

// flat signs header and payload, whatever they say, by the algorithm of the key.
func flat(t *testing.T, key any, header map[string]any, payload any) []byte {
	t.Helper()
	protected, err := json.Marshal(header)
	require.NoError(t, err)
	var text []byte
	switch payload := payload.(type) {
	case nil:
	case []byte:
		text = payload
	default:
		text, err = json.Marshal(payload)
		require.NoError(t, err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode(protected) + "." + encode(text)
	body, err := json.Marshal(map[string]string{
		"protected": encode(protected), "payload": encode(text), "signature": encode(signature(t, key, input)),
	})
	require.NoError(t, err)
	return body
}

func jwk(key crypto.PublicKey) *jose.JSONWebKey { return &jose.JSONWebKey{Key: key} }

// eab returns an external account binding of the user's key.
func (u *user) eab(kid string, key []byte) json.RawMessage {
	header := map[string]any{"alg": "HS256", "kid": kid, "url": u.w.url("/acme/new-account")}
	return flat(u.w.t, key, header, jwk(&u.key.PublicKey))
}

func rawJSON(text []byte) json.RawMessage { return text }

// order makes an order for DNS names.
func (u *user) order(names ...string) answer {
	u.w.t.Helper()
	return u.post("/acme/new-order", map[string]any{"identifiers": dns(names...)})
}

func dns(names ...string) []map[string]string {
	var ids []map[string]string
	for _, name := range names {
		ids = append(ids, map[string]string{"type": "dns", "value": name})
	}
	return ids
}

// finalize sends a CSR.
func (u *user) finalize(order map[string]any, csr []byte) answer {
	u.w.t.Helper()
	return u.post(order["finalize"].(string), map[string]any{"csr": base64.RawURLEncoding.EncodeToString(csr)})
}
