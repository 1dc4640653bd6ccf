package acme_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// The directory says where everything is; nonces come for the asking, and with
// every answer to a POST; what a page does not answer is 405 with what it does.
func TestPages(t *testing.T) {
	w := newWorld(t, open)
	resp, body := w.get(http.MethodGet, "/acme/directory")
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	directory := answer{resp, body, t}.ok()
	for _, name := range []string{"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"} {
		require.Contains(t, directory[name], w.server.URL+"/acme/")
	}
	meta := directory["meta"].(map[string]any)
	require.Equal(t, false, meta["externalAccountRequired"])
	require.Equal(t, map[string]any{
		"device": "client and server certificates for 24h0m0s", "web": "server certificates for 720h0m0s",
	}, meta["profiles"])

	u := w.unbound()
	require.Equal(t, directory, u.post("/acme/directory", nil).ok(), "POST-as-GET, too")
	nonces := map[string]bool{}
	for method, status := range map[string]int{http.MethodHead: 200, http.MethodGet: 204} {
		resp, body := w.get(method, "/acme/new-nonce")
		require.Equal(t, status, resp.StatusCode)
		require.Empty(t, body)
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		require.Equal(t, "<"+w.url("/acme/directory")+`>;rel="index"`, resp.Header.Get("Link"))
		nonces[resp.Header.Get("Replay-Nonce")] = true
	}
	require.Len(t, nonces, 2)

	for path, allow := range map[string]string{
		"/acme/new-account": "POST", "/acme/order/x": "POST", "/acme/certificate/x": "POST",
		"/acme/renewal-info/x": "GET, HEAD", "/acme/new-nonce": "GET, HEAD, POST",
	} {
		resp, body := w.get(http.MethodPut, path)
		answer{resp, body, t}.refused(http.StatusMethodNotAllowed, "malformed")
		require.Equal(t, allow, resp.Header.Get("Allow"))
	}
	resp, body = w.get(http.MethodGet, "/acme/nothing")
	answer{resp, body, t}.refused(http.StatusNotFound, "malformed")

	// The nonce of an answer that failed is good for the next request.
	failed := u.post("/acme/new-order", map[string]any{})
	failed.refused(http.StatusBadRequest, "malformed")
	u.send(w.url("/acme/new-order"), u.sign("/acme/new-order", map[string]any{"identifiers": dns("a.web.example")}, func(h map[string]any) {
		h["nonce"] = failed.Header.Get("Replay-Nonce")
	})).ok()
}

// An account's key changes only if both keys sign for it, for this account, to a
// key that nobody has (Section 7.3.5).
func TestKeyChange(t *testing.T) {
	w := newWorld(t, open)
	u, other := w.unbound(), w.unbound()
	bound := w.bound("device", "pump-1")
	certified := enrolltest.NewKey(t)
	bound.finalize(bound.order("pump-1.devices.example").ok(), csr(t, certified, "pump-1.devices.example")).ok()
	next := w.newUser()
	url := w.url("/acme/key-change")
	inner := func(by *user, change func(header, payload map[string]any)) []byte {
		header := map[string]any{"alg": "ES256", "jwk": jwk(&by.key.PublicKey), "url": url}
		payload := map[string]any{"account": u.kid, "oldKey": jwk(&u.key.PublicKey)}
		if change != nil {
			change(header, payload)
		}
		return flat(t, by.key, header, payload)
	}
	for name, body := range map[string][]byte{
		"nothing":         {},
		"not a JWS":       []byte(`{"account":"x"}`),
		"other url":       inner(next, func(h, _ map[string]any) { h["url"] = w.url("/acme/new-order") }),
		"no url":          inner(next, func(h, _ map[string]any) { delete(h, "url") }),
		"nonce":           inner(next, func(h, _ map[string]any) { h["nonce"] = w.nonce() }),
		"kid":             inner(next, func(h, _ map[string]any) { delete(h, "jwk"); h["kid"] = u.kid }),
		"signed by other": inner(other, func(h, _ map[string]any) { h["jwk"] = jwk(&next.key.PublicKey) }),
		"other account":   inner(next, func(_, p map[string]any) { p["account"] = other.kid }),
		"no account":      inner(next, func(_, p map[string]any) { delete(p, "account") }),
		"other old key":   inner(next, func(_, p map[string]any) { p["oldKey"] = jwk(&other.key.PublicKey) }),
		"no old key":      inner(next, func(_, p map[string]any) { delete(p, "oldKey") }),
	} {
		t.Run(name, func(t *testing.T) {
			u.post(url, body).refused(http.StatusBadRequest, "malformed")
		})
	}
	a := u.post(url, inner(other, nil))
	a.refused(http.StatusConflict, "malformed")
	require.Equal(t, other.kid, a.Header.Get("Location"), "whose key it is")
	u.post(url, inner(&user{w: w, key: certified}, nil)).refused(http.StatusBadRequest, "badPublicKey")

	old := *u
	require.Equal(t, "valid", u.post(url, inner(next, nil)).ok()["status"])
	old.post(u.kid, nil).refused(http.StatusBadRequest, "malformed")
	u.key = next.key
	u.post(u.kid, nil).ok()

	// A key that was an account's stays so: nobody takes it up.
	finder := user{w: w, key: old.key}
	finder.post("/acme/new-account", map[string]any{}).refused(http.StatusBadRequest, "badPublicKey")
}

// Who may revoke: the account that got it, one of the same identity, the
// certificate's key; and nobody else (Section 7.6).
func TestRevoke(t *testing.T) {
	w := newWorld(t, nil)
	u, other := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	key := enrolltest.NewKey(t)
	issue := func() []byte {
		done := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, key, "pump-1.devices.example")).ok()
		return leaf(t, u.post(done["certificate"].(string), nil).body).Raw
	}
	revoke := func(by *user, der []byte, reason any) answer {
		request := map[string]any{"certificate": base64.RawURLEncoding.EncodeToString(der)}
		if reason != nil {
			request["reason"] = reason
		}
		return by.post("/acme/revoke-cert", request)
	}
	der := issue()
	changed := append([]byte(nil), der...)
	changed[len(changed)-1] ^= 1
	revoke(other, der, nil).refused(http.StatusForbidden, "unauthorized")
	revoke(w.newUser(), der, nil).refused(http.StatusForbidden, "unauthorized")
	revoke(&user{w: w, key: u.key}, der, nil).refused(http.StatusForbidden, "unauthorized")
	revoke(u, changed, nil).refused(http.StatusNotFound, "malformed")
	revoke(u, w.Authority.Certificate().Raw, nil).refused(http.StatusNotFound, "malformed")
	revoke(u, []byte("x"), nil).refused(http.StatusBadRequest, "malformed")
	for _, reason := range []int{-1, 2, 6, 7, 8, 9, 10, 11} {
		revoke(u, der, reason).refused(http.StatusBadRequest, "badRevocationReason")
	}
	revoke(u, der, "x").refused(http.StatusBadRequest, "malformed")

	a := revoke(u, der, 1)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Empty(t, a.body)
	revoke(u, der, 1).refused(http.StatusBadRequest, "alreadyRevoked")

	key = enrolltest.NewKey(t)
	require.Equal(t, http.StatusOK, revoke(&user{w: w, key: key}, issue(), nil).StatusCode)
}

// Orders are listed in pages that lead to each other (Section 7.1.2.1).
func TestOrders(t *testing.T) {
	w := newWorld(t, nil)
	u := w.bound("device", "pump-1")
	require.Equal(t, map[string]any{"orders": []any{}}, u.post(u.kid+"/orders", nil).ok())
	all := map[string]bool{}
	for range 101 {
		all[u.order("pump-1.devices.example").Header.Get("Location")] = true
	}
	next := u.kid + "/orders"
	for range 2 {
		a := u.post(next, nil)
		for _, url := range a.ok()["orders"].([]any) {
			require.True(t, all[url.(string)])
			delete(all, url.(string))
		}
		next = ""
		for _, link := range a.Header.Values("Link") {
			if url, ok := strings.CutSuffix(link, `>;rel="next"`); ok {
				next = url[1:]
			}
		}
	}
	require.Empty(t, all)
	require.Empty(t, next)
	u.post(u.kid+"/orders?cursor=x", nil).refused(http.StatusBadRequest, "malformed")
}

// A certificate is replaced once (RFC 9773, Section 5), by its own identity.
func TestReplaces(t *testing.T) {
	w := newWorld(t, nil)
	u, other := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	done := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).ok()
	id := certID(leaf(t, u.post(done["certificate"].(string), nil).body))
	order := map[string]any{"identifiers": dns("pump-1.devices.example"), "replaces": id}
	other.post("/acme/new-order", map[string]any{"identifiers": dns("pump-2.devices.example"), "replaces": id}).refused(http.StatusBadRequest, "malformed")
	require.Equal(t, id, u.post("/acme/new-order", order).ok()["replaces"])
	u.post("/acme/new-order", order).refused(http.StatusConflict, "alreadyReplaced")
	w.Advance(25 * time.Hour)
	u.post("/acme/new-order", order).ok()
}

func certID(cert *x509.Certificate) string {
	number := cert.SerialNumber.Bytes()
	if number[0] > 0x7f {
		number = append([]byte{0}, number...)
	}
	return base64.RawURLEncoding.EncodeToString(cert.AuthorityKeyId) + "." + base64.RawURLEncoding.EncodeToString(number)
}

// Renewal information is for everyone, may be cached, and is from memory until the
// certificate is revoked.
func TestRenewalInfo(t *testing.T) {
	w := newWorld(t, nil)
	u := w.bound("device", "pump-1")
	done := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).ok()
	cert := leaf(t, u.post(done["certificate"].(string), nil).body)
	info := func() (start, end time.Time) {
		resp, body := w.get(http.MethodGet, "/acme/renewal-info/"+certID(cert))
		window := answer{resp, body, t}.ok()["suggestedWindow"].(map[string]any)
		require.Equal(t, "3612", resp.Header.Get("Retry-After"), "a 24th of 24 h 5 min")
		require.Equal(t, "public, max-age=300", resp.Header.Get("Cache-Control"))
		start, err := time.Parse(time.RFC3339, window["start"].(string))
		require.NoError(t, err)
		end, err = time.Parse(time.RFC3339, window["end"].(string))
		require.NoError(t, err)
		return start, end
	}
	start, end := info()
	life := cert.NotAfter.Sub(cert.NotBefore)
	require.True(t, start.After(cert.NotBefore.Add(life/2)) && start.Before(end) && end.Before(cert.NotBefore.Add(life*3/4)))
	again, _ := info()
	require.Equal(t, start, again)

	require.NoError(t, revoker{w.Store}.RevokeCertificate(t.Context(), acme.Requester{Name: "uid:0"}, store.SerialOf(cert), 1))
	_, end = info()
	require.True(t, end.Before(w.Now()))

	good := certID(cert)
	aki, number, _ := strings.Cut(good, ".")
	for _, id := range []string{"x", aki, aki + ".", "." + number, number + "." + aki, good + "=", good + ".x", aki + "." + "AAAAAAAAAAAAAAAAAAAAAA", aki + ".AQ", aki + ".gA", strings.Repeat("A", 500)} {
		resp, body := w.get(http.MethodGet, "/acme/renewal-info/"+id)
		answer{resp, body, t}.refused(http.StatusNotFound, "malformed")
	}
}

// An authorization that nothing has come of can be given up, and expires; an order
// falls with it. What a challenge fails with is told, and counts.
func TestAuthorization(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) { open(c); c.Settings.Limits.FailuresPerAccount = 1 })
	u := w.unbound()
	begin := func(name string) (order, authz string, object map[string]any) {
		a := u.order(name)
		authz = a.ok()["authorizations"].([]any)[0].(string)
		return a.Header.Get("Location"), authz, u.post(authz, nil).ok()
	}
	order, authz, object := begin("one.web.example")
	require.Equal(t, "pending", object["status"])
	var types []any
	for _, challenge := range object["challenges"].([]any) {
		require.Len(t, challenge.(map[string]any)["token"], 43, "256 bits")
		types = append(types, challenge.(map[string]any)["type"])
	}
	require.Equal(t, []any{"http-01", "dns-01", "tls-alpn-01"}, types)
	a := u.post(order, nil)
	require.Equal(t, "pending", a.ok()["status"])
	require.Equal(t, "1", a.Header.Get("Retry-After"), "seconds")
	u.post(order+"/finalize", map[string]any{"csr": base64.RawURLEncoding.EncodeToString(csr(t, enrolltest.NewKey(t), "one.web.example"))}).refused(http.StatusForbidden, "orderNotReady")

	require.Equal(t, "deactivated", u.post(authz, map[string]any{"status": "deactivated"}).ok()["status"])
	u.post(authz, map[string]any{"status": "deactivated"}).refused(http.StatusBadRequest, "malformed")
	u.post(authz, map[string]any{"status": "valid"}).refused(http.StatusBadRequest, "malformed")
	require.Equal(t, "invalid", u.post(order, nil).ok()["status"])

	_, _, object = begin("*.web.example")
	require.Equal(t, true, object["wildcard"])
	require.Len(t, object["challenges"], 1)
	require.Equal(t, "dns-01", object["challenges"].([]any)[0].(map[string]any)["type"])

	order, authz, object = begin("two.web.example")
	challenge := object["challenges"].([]any)[0].(map[string]any)["url"].(string)
	u.post(strings.Replace(challenge, "http-01", "device-attest-01", 1), map[string]any{}).refused(http.StatusNotFound, "malformed")
	u.post(challenge, []byte("null")).refused(http.StatusBadRequest, "malformed")
	a = u.post(challenge, map[string]any{}) // nothing is shown
	a.ok()
	require.Contains(t, a.Header.Values("Link"), "<"+authz+`>;rel="up"`)
	require.Eventually(t, func() bool { return u.post(authz, nil).ok()["status"] == "invalid" }, 10*time.Second, 10*time.Millisecond)
	failed := u.post(authz, nil).ok()["challenges"].([]any)
	require.Len(t, failed, 1)
	require.Equal(t, "urn:ietf:params:acme:error:incorrectResponse", failed[0].(map[string]any)["error"].(map[string]any)["type"])
	require.Equal(t, "invalid", u.post(order, nil).ok()["status"])
	require.Equal(t, failed[0].(map[string]any)["error"], u.post(order, nil).ok()["error"])
	require.Equal(t, failed[0], u.post(challenge, nil).ok())

	_, _, object = begin("three.web.example")
	limited := u.post(object["challenges"].([]any)[0].(map[string]any)["url"].(string), map[string]any{})
	limited.refused(http.StatusTooManyRequests, "rateLimited")
	require.Equal(t, "3600", limited.Header.Get("Retry-After"))

	order, authz, _ = begin("four.web.example")
	w.Advance(25 * time.Hour)
	require.Equal(t, "invalid", u.post(authz, nil).ok()["status"])
	require.Equal(t, "invalid", u.post(order, nil).ok()["status"])
}

// A validation that says nothing leaves the challenge open, and is made again when
// the client asks after a while.
func TestInconclusive(t *testing.T) {
	asked := make(chan validate.Challenge, 10)
	fail := make(chan error, 10)
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(_ context.Context, c validate.Challenge) error { asked <- c; return <-fail })
	})
	u := w.unbound()
	authz := u.order("one.web.example").ok()["authorizations"].([]any)[0].(string)
	challenge := u.post(authz, nil).ok()["challenges"].([]any)[0].(map[string]any)["url"].(string)
	fail <- context.Canceled
	require.Equal(t, "processing", u.post(challenge, map[string]any{}).ok()["status"])
	first := <-asked
	require.Equal(t, "http-01", first.Type)
	require.Equal(t, "one.web.example", first.Identifier)
	require.True(t, strings.HasPrefix(first.KeyAuthorization, first.Token+"."))
	require.Equal(t, "pending", u.post(authz, nil).ok()["status"])
	u.post(challenge, map[string]any{}).ok()
	require.Empty(t, asked, "one attempt a minute")
	w.Advance(2 * time.Minute)
	fail <- nil
	u.post(authz, nil).ok()
	require.Equal(t, first, <-asked)
	require.Eventually(t, func() bool { return u.post(authz, nil).ok()["status"] == "valid" }, 10*time.Second, 10*time.Millisecond)
}

type validatorFunc func(context.Context, validate.Challenge) error

func (f validatorFunc) Validate(ctx context.Context, c validate.Challenge) error { return f(ctx, c) }

// Too many of anything is rateLimited, with when to come again.
func TestLimits(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Settings.Limits = acme.Limits{AccountsPerSource: 3, OrdersPerAccount: 2, OrdersPerIdentity: 3}
	})
	limited := func(a answer) {
		t.Helper()
		a.refused(http.StatusTooManyRequests, "rateLimited")
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
	one, two, bound := w.unbound(), w.unbound(), w.bound("device", "pump-1")
	limited(w.newUser().post("/acme/new-account", map[string]any{}))
	for range 2 {
		one.order("one.web.example").ok()
		bound.order("pump-1.devices.example").ok()
	}
	limited(one.order("two.web.example"))
	limited(bound.order("pump-1.devices.example"))
	two.order("one.web.example").ok()
	limited(two.order("one.web.example"))
	w.Advance(time.Hour)
	two.order("one.web.example").ok()
	w.unbound()
}

// As many validations are under way at once as there is room for; who comes then
// is told to come again, and what he asked for can still be had.
func TestValidationsAreBounded(t *testing.T) {
	const room = 256
	begun, finish := make(chan struct{}, 2*room), make(chan struct{})
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(context.Context, validate.Challenge) error { begun <- struct{}{}; <-finish; return nil })
	})
	u := w.unbound()
	var urls []string
	for i := range 3 {
		var names []string
		for j := range 100 {
			names = append(names, fmt.Sprintf("x%d-%d.web.example", i, j))
		}
		for _, url := range u.order(names...).ok()["authorizations"].([]any) {
			urls = append(urls, strings.Replace(url.(string), "/authz/", "/challenge/", 1)+"/http-01")
		}
	}
	for _, url := range urls[:room] {
		u.post(url, map[string]any{}).ok()
	}
	for range room {
		<-begun
	}
	a := u.post(urls[room], map[string]any{})
	a.refused(http.StatusTooManyRequests, "rateLimited")
	require.Equal(t, "1", a.Header.Get("Retry-After"))
	require.Equal(t, "pending", u.post(urls[room], nil).ok()["status"])
	close(finish)
	require.Eventually(t, func() bool { return u.post(urls[room], map[string]any{}).StatusCode == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return u.post(urls[room], nil).ok()["status"] == "valid" }, 10*time.Second, 10*time.Millisecond)
}
