package acme_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// atOnce posts all bodies at the same time, and returns what each was answered
// with.
func (w *world) atOnce(url string, bodies [][]byte) []answer {
	w.t.Helper()
	answers := make([]answer, len(bodies))
	errs := make([]error, len(bodies))
	var all sync.WaitGroup
	for i, body := range bodies {
		all.Go(func() {
			resp, err := w.client.Post(url, "application/jose+json", bytes.NewReader(body))
			if errs[i] = err; err != nil {
				return
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			answers[i], errs[i] = answer{resp, text, w.t}, err
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(w.t, err)
	}
	return answers
}

// each demands success of as many answers as that, and this refusal of the others.
func each(t *testing.T, answers []answer, want, status int, kind string) {
	t.Helper()
	for _, a := range answers {
		if a.StatusCode < 300 {
			want--
		} else {
			a.refused(status, kind)
		}
	}
	require.Zero(t, want)
}

// A request counts once, whoever sends it again, and however many do at once: what
// was seen on the way is of no use to who saw it, nor is its nonce.
func TestReplay(t *testing.T) {
	eachWorld(t, open, func(t *testing.T, w *world) {
		u, thief := w.unbound(), w.unbound()
		body := u.sign("/acme/new-order", map[string]any{"identifiers": dns("one.web.example")}, nil)
		bodies := make([][]byte, 8)
		for i := range bodies {
			bodies[i] = body
		}
		each(t, w.atOnce(w.url("/acme/new-order"), bodies), 1, http.StatusBadRequest, "badNonce")
		require.Len(t, u.post(u.kid+"/orders", nil).ok()["orders"], 1)

		stolen := w.nonce()
		use := func(h map[string]any) { h["nonce"] = stolen }
		thief.send(thief.kid, thief.sign(thief.kid, nil, use)).ok()
		a := u.send(u.kid, u.sign(u.kid, nil, use))
		a.refused(http.StatusBadRequest, "badNonce")
		u.send(u.kid, u.sign(u.kid, nil, func(h map[string]any) { h["nonce"] = a.Header.Get("Replay-Nonce") })).ok()
	})
}

// Of any number of responses to the challenges of an authorization one has the CA
// look; the others find it at work.
func TestOneAttempt(t *testing.T) {
	var looks atomic.Int64
	finish := make(chan struct{})
	change := func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(ctx context.Context, _ validate.Challenge) error {
			looks.Add(1)
			select {
			case <-finish:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}
	eachWorld(t, change, func(t *testing.T, w *world) {
		finish = make(chan struct{})
		looks.Store(0)
		u := w.unbound()
		authz := u.order("one.web.example").ok()["authorizations"].([]any)[0].(string)
		challenge := strings.Replace(authz, "/authz/", "/challenge/", 1) + "/http-01"
		var bodies [][]byte
		for range 8 {
			bodies = append(bodies, u.sign(challenge, map[string]any{}, nil))
		}
		for _, a := range w.atOnce(challenge, bodies) {
			require.Equal(t, "processing", a.ok()["status"])
		}
		require.Equal(t, "pending", u.post(strings.Replace(challenge, "http-01", "dns-01", 1), map[string]any{}).ok()["status"], "one at a time")
		close(finish)
		require.Eventually(t, func() bool { return u.post(authz, nil).ok()["status"] == "valid" }, 10*time.Second, 10*time.Millisecond)
		require.EqualValues(t, 1, looks.Load())
	})
}

// Of any number who ask for an account with one key one makes it, and all have it.
func TestOneAccount(t *testing.T) {
	eachWorld(t, open, func(t *testing.T, w *world) {
		u, bound := w.newUser(), w.newUser()
		kid, key := w.eab("device", "pump-1")
		for u, request := range map[*user]map[string]any{u: {}, bound: {"externalAccountBinding": bound.eab(kid, key)}} {
			var bodies [][]byte
			for range 6 {
				bodies = append(bodies, u.sign("/acme/new-account", request, nil))
			}
			made, urls := 0, map[string]bool{}
			for _, a := range w.atOnce(w.url("/acme/new-account"), bodies) {
				a.ok()
				urls[a.Header.Get("Location")] = true
				if a.StatusCode == http.StatusCreated {
					made++
				}
			}
			require.Equal(t, 1, made)
			require.Len(t, urls, 1)
		}
	})
}

// A key goes to one of the accounts that reach for it at once, and the others are
// told which.
func TestOneKeyChange(t *testing.T) {
	eachWorld(t, open, func(t *testing.T, w *world) {
		next, url := w.newUser(), w.url("/acme/key-change")
		var users []*user
		var bodies [][]byte
		for range 6 {
			u := w.unbound()
			inner := flat(t, next.key, map[string]any{"alg": "ES256", "jwk": jwk(&next.key.PublicKey), "url": url},
				map[string]any{"account": u.kid, "oldKey": jwk(&u.key.PublicKey)})
			users, bodies = append(users, u), append(bodies, u.sign(url, inner, nil))
		}
		answers := w.atOnce(url, bodies)
		each(t, answers, 1, http.StatusConflict, "malformed")
		holder := ""
		for i, a := range answers {
			if a.StatusCode == http.StatusOK {
				holder = users[i].kid
			}
		}
		for i, a := range answers {
			require.Equal(t, holder, a.Header.Get("Location"))
			if users[i].kid != holder {
				users[i].post(users[i].kid, nil).ok()
			}
		}
		next.kid = holder
		next.post(holder, nil).ok()
	})
}

// A certificate is revoked once, by the account and by its key at the same time;
// and its order, finalized again meanwhile, makes no other, and does not hand out
// what is revoked.
func TestOneRevocation(t *testing.T) {
	eachWorld(t, nil, func(t *testing.T, w *world) {
		u := w.bound("device", "pump-1")
		key := enrolltest.NewKey(t)
		order, request := u.order("pump-1.devices.example").ok(), csr(t, key, "pump-1.devices.example")
		done := u.finalize(order, request).ok()
		der := leaf(t, u.post(done["certificate"].(string), nil).body).Raw
		payload := map[string]any{"certificate": base64.RawURLEncoding.EncodeToString(der), "reason": 1}
		var bodies [][]byte
		for range 4 {
			bodies = append(bodies, u.sign("/acme/revoke-cert", payload, nil), (&user{w: w, key: key}).sign("/acme/revoke-cert", payload, nil))
		}
		var again answer
		var beside sync.WaitGroup
		body := u.sign(order["finalize"].(string), map[string]any{"csr": base64.RawURLEncoding.EncodeToString(request)}, nil)
		beside.Go(func() { again = w.atOnce(order["finalize"].(string), [][]byte{body})[0] })
		each(t, w.atOnce(w.url("/acme/revoke-cert"), bodies), 1, http.StatusBadRequest, "alreadyRevoked")
		beside.Wait()
		if again.StatusCode == http.StatusOK {
			require.Equal(t, done["certificate"], again.ok()["certificate"])
		} else {
			again.refused(http.StatusForbidden, "unauthorized")
		}
		u.finalize(order, request).refused(http.StatusForbidden, "unauthorized")
		require.Equal(t, 1, w.Certificates("device/pump-1"))
	})
}
