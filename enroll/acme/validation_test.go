package acme_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/acme/validate"
)

// A validation that says nothing leaves the challenge open, and is made again when
// the client asks after a while.
func TestInconclusive(t *testing.T) {
	asked := make(chan validate.Challenge, 10)
	fail := make(chan error, 10)
	eachWorld(t, func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(_ context.Context, c validate.Challenge) error { asked <- c; return <-fail })
	}, func(t *testing.T, w *world) { testInconclusive(t, w, asked, fail) })
}

func testInconclusive(t *testing.T, w *world, asked <-chan validate.Challenge, fail chan<- error) {
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

// A challenge that is looked at when its authorization ends, by the account or by
// the time, has failed: no client waits for it for ever.
func TestEndedMeanwhile(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(ctx context.Context, _ validate.Challenge) error { <-ctx.Done(); return ctx.Err() })
	})
	u := w.unbound()
	for name, end := range map[string]func(authz string) (status string){
		"deactivated": func(authz string) string {
			return u.post(authz, map[string]any{"status": "deactivated"}).ok()["status"].(string)
		},
		"expired": func(string) string { w.Advance(25 * time.Hour); return "invalid" },
	} {
		authz := u.order(name + ".web.example").ok()["authorizations"].([]any)[0].(string)
		challenge := strings.Replace(authz, "/authz/", "/challenge/", 1) + "/http-01"
		require.Equal(t, "processing", u.post(challenge, map[string]any{}).ok()["status"])
		status := end(authz)
		object := u.post(authz, nil).ok()
		require.Equal(t, status, object["status"])
		a := u.post(challenge, nil)
		require.Equal(t, object["challenges"].([]any)[0], any(a.ok()))
		require.Equal(t, "invalid", a.ok()["status"], name)
		require.Empty(t, a.Header.Get("Retry-After"))
	}
}

// Whatever a validation fails with reaches the client as an error of Section 6.7,
// and what lies below it does not.
func TestFailures(t *testing.T) {
	fail := make(chan error, 1)
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(context.Context, validate.Challenge) error { return <-fail })
	})
	u := w.unbound()
	for i, kind := range []string{validate.KindConnection, validate.KindDNS, validate.KindTLS, validate.KindIncorrectResponse} {
		authz := u.order(fmt.Sprintf("x%d.web.example", i)).ok()["authorizations"].([]any)[0].(string)
		fail <- &validate.Error{Kind: kind, Detail: "a detail", Err: errors.New("10.0.0.1 said secret")}
		u.post(strings.Replace(authz, "/authz/", "/challenge/", 1)+"/http-01", map[string]any{}).ok()
		require.Eventually(t, func() bool { return u.post(authz, nil).ok()["status"] == "invalid" }, 10*time.Second, 10*time.Millisecond)
		a := u.post(authz, nil)
		require.NotContains(t, string(a.body), "secret")
		require.Equal(t, map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": "a detail", "status": 403.0},
			a.ok()["challenges"].([]any)[0].(map[string]any)["error"])
	}
}

type validatorFunc func(context.Context, validate.Challenge) error

func (f validatorFunc) Validate(ctx context.Context, c validate.Challenge) error { return f(ctx, c) }

// As many validations are under way at once as there is room for; who comes then
// is told to come again, and what he asked for can still be had.
func TestValidationsAreBounded(t *testing.T) {
	const room = 256
	begun, finish := make(chan struct{}, 2*room), make(chan struct{})
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(ctx context.Context, _ validate.Challenge) error {
			begun <- struct{}{}
			select {
			case <-finish:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	challenges := func(u *user, n int) (urls []string) {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("x%d.web.example", i))
		}
		for _, url := range u.order(names...).ok()["authorizations"].([]any) {
			urls = append(urls, strings.Replace(url.(string), "/authz/", "/challenge/", 1)+"/http-01")
		}
		return urls
	}
	refused := func(u *user, url string) {
		t.Helper()
		a := u.post(url, map[string]any{})
		a.refused(http.StatusTooManyRequests, "rateLimited")
		require.Equal(t, "1", a.Header.Get("Retry-After"))
		require.Equal(t, "pending", u.post(url, nil).ok()["status"])
	}
	var first *user
	var more string
	for _, n := range []int{room - 200, 100, 100} {
		u := w.unbound()
		for _, url := range challenges(u, n) {
			u.post(url, map[string]any{}).ok()
		}
		if n == 100 {
			// An order's worth is all that one account has under way.
			more = strings.Replace(u.order("more.web.example").ok()["authorizations"].([]any)[0].(string), "/authz/", "/challenge/", 1) + "/http-01"
			refused(u, more)
			first = u
		}
	}
	for range room {
		<-begun
	}
	u := w.unbound()
	urls := challenges(u, 1)
	refused(u, urls[0])
	close(finish)
	require.Eventually(t, func() bool { return u.post(urls[0], map[string]any{}).StatusCode == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return u.post(urls[0], nil).ok()["status"] == "valid" }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return first.post(more, map[string]any{}).StatusCode == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
}
