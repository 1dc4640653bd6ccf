package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
	"github.com/betonica/betonica/enroll/client/catest"
)

func uris(t *testing.T, text ...string) (all []*url.URL) {
	for _, s := range text {
		u, err := url.Parse(s)
		require.NoError(t, err)
		all = append(all, u)
	}
	return all
}

func csrFor(t *testing.T, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// connect bootstraps, and returns a client that presents own.
func connect(t *testing.T, ca *catest.Server, own *tls.Certificate) *client.Client {
	trust, err := client.Bootstrap(t.Context(), client.Config{URL: ca.URL}, sha256.Sum256(ca.Root.Raw))
	require.NoError(t, err)
	c, err := client.New(client.Config{URL: ca.URL, Trust: trust, Certificate: own})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// enrol returns a fresh certificate of device/SN-1.
func enrol(t *testing.T, ca *catest.Server) *tls.Certificate {
	key, token := catest.NewKey(t), ca.Token("device", "SN-1")
	got, err := connect(t, ca, nil).Enroll(t.Context(), client.Request{Token: &token, CSR: csrFor(t, key)})
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{got.Chain[0].Raw, got.Chain[1].Raw}, PrivateKey: key, Leaf: got.Chain[0]}
}

// A machine enrols with a token, renews with what it got, confirms with what it
// got then, and reads the log.
func TestLife(t *testing.T) {
	ca := catest.New(t)
	first := enrol(t, ca)
	require.Len(t, first.Certificate, 2)

	key := catest.NewKey(t)
	got, err := connect(t, ca, first).Renew(t.Context(), client.Request{CSR: csrFor(t, key), Since: 1})
	require.NoError(t, err)
	require.Equal(t, "spiffe://hospital.example/device/SN-1", got.ID)
	require.True(t, key.PublicKey.Equal(got.Chain[0].PublicKey))
	require.WithinDuration(t, time.Now().Add(14*time.Hour), got.RenewAfter, time.Minute)
	require.WithinDuration(t, time.Now(), got.ServerTime, time.Minute)
	require.EqualValues(t, 1, got.Checkpoint.Since)
	require.NotEmpty(t, got.Checkpoint.Proof)
	second := &tls.Certificate{Certificate: [][]byte{got.Chain[0].Raw, got.Chain[1].Raw}, PrivateKey: key}

	c := connect(t, ca, second)
	require.NoError(t, c.Confirm(t.Context()))
	require.True(t, ca.Issued()[catest.Serial(got.Chain[0])].Confirmed)

	cp, err := c.Checkpoint(t.Context(), 0)
	require.NoError(t, err)
	require.Contains(t, cp.Note, "hospital.example/log\n2\n")
}

// A refusal comes back as the problem that it is, with its Retry-After; what no
// problem document says, the status does.
func TestProblem(t *testing.T) {
	ca := catest.New(t)
	c := connect(t, ca, enrol(t, ca))
	for _, tt := range []struct {
		name       string
		header     http.Header
		status     int
		body       string
		want       string
		retryAfter time.Duration
	}{
		{"problem", http.Header{"Content-Type": {api.MediaProblem}}, 403, `{"type":"urn:betonica:problem:denied","title":"Forbidden","status":999,"detail":"no rule","request_id":"r1"}`, "no rule (403, request r1)", 0},
		{"charset", http.Header{"Content-Type": {api.MediaProblem + "; charset=utf-8"}}, 403, `{"detail":"no rule"}`, "no rule (403)", 0},
		{"seconds", http.Header{"Retry-After": {"120"}}, 503, "", "Service Unavailable (503)", 2 * time.Minute},
		{"date, by the server's clock", http.Header{"Retry-After": {"Thu, 01 Jan 1970 00:01:30 GMT"}, "Date": {"Thu, 01 Jan 1970 00:00:00 GMT"}}, 429, "", "Too Many Requests (429)", 90 * time.Second},
		{"a year", http.Header{"Retry-After": {"31536000"}}, 503, "", "Service Unavailable (503)", 24 * time.Hour},
		{"too many digits", http.Header{"Retry-After": {"99999999999999999999"}}, 503, "", "Service Unavailable (503)", 0},
		{"negative", http.Header{"Retry-After": {"-1"}}, 503, "", "Service Unavailable (503)", 0},
		{"not a document", http.Header{"Content-Type": {api.MediaProblem}}, 500, "<html>", "Internal Server Error (500)", 0},
		{"a proxy's page", http.Header{"Content-Type": {"text/html"}}, 502, strings.Repeat("x", 1<<20), "Bad Gateway (502)", 0},
		{"a redirect is not followed", http.Header{"Location": {ca.URL + "/v1/checkpoint"}}, 307, "", "Temporary Redirect (307)", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(ca.Seen())
			ca.Lock()
			ca.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
				for k, v := range tt.header {
					w.Header()[k] = v
				}
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
				return true
			}
			ca.Unlock()
			err := c.Confirm(t.Context())
			var p *api.Problem
			require.ErrorAs(t, err, &p)
			require.Equal(t, tt.want, p.Error())
			require.Equal(t, tt.status, p.Status)
			require.Equal(t, tt.retryAfter, p.RetryAfter)
			require.Len(t, ca.Seen(), before+1)
		})
	}
}

// An answer that is not the certificate that was asked for is an error, whoever
// signed it.
func TestWrongCertificate(t *testing.T) {
	ca := catest.New(t)
	c := connect(t, ca, enrol(t, ca))
	other := catest.NewIssuer(t, "hospital.example")
	key := catest.NewKey(t)
	leaf := func(i *catest.Issuer, change func(*x509.Certificate)) string {
		return catest.PEM(i.Leaf(t, key.Public(), "device/SN-1", change), i.Intermediate)
	}
	for _, tt := range []struct{ name, answer, want string }{
		{"another key", catest.PEM(ca.Leaf(t, catest.NewKey(t).Public(), "device/SN-1", nil), ca.Intermediate), "another key"},
		{"another root", leaf(other, nil), "unknown authority"},
		{"no intermediate", catest.PEM(ca.Leaf(t, key.Public(), "device/SN-1", nil)), "unknown authority"},
		{"expired", leaf(ca.Issuer, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "is the clock right?"},
		{"another trust domain", leaf(ca.Issuer, func(c *x509.Certificate) { c.URIs = uris(t, "spiffe://other.example/device/SN-1") }), "trust domain"},
		{"no ID", leaf(ca.Issuer, func(c *x509.Certificate) { c.URIs = nil }), "not one SPIFFE ID"},
		{"nothing", "", "empty"},
		{"not PEM", "certificate", "not a chain"},
		{"a key in it", leaf(ca.Issuer, nil) + "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "not a chain"},
		{"long chain", leaf(ca.Issuer, nil) + strings.Repeat(catest.PEM(ca.Root), 8), "more than 8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ca.Lock()
			ca.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
				json.NewEncoder(w).Encode(api.EnrollResponse{Certificate: tt.answer})
				return true
			}
			ca.Unlock()
			_, err := c.Renew(t.Context(), client.Request{CSR: csrFor(t, key)})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// An endless answer is cut off, one that is not JSON is an error, and one that
// never comes ends with the caller's context.
func TestBadAnswer(t *testing.T) {
	ca := catest.New(t)
	c := connect(t, ca, enrol(t, ca))
	answer := func(f http.HandlerFunc) {
		ca.Lock()
		defer ca.Unlock()
		ca.Intercept = func(w http.ResponseWriter, r *http.Request) bool { f(w, r); return true }
	}
	answer(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	_, err := c.Checkpoint(t.Context(), 0)
	require.ErrorContains(t, err, "larger than 65536 bytes")

	answer(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{")) })
	_, err = c.Checkpoint(t.Context(), 0)
	require.ErrorContains(t, err, "reading the CA's answer to /v1/checkpoint")

	answer(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	_, err = c.Checkpoint(t.Context(), 0)
	require.ErrorIs(t, err, client.ErrUnreachable)

	ctx, cancel := context.WithCancel(t.Context())
	answer(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err = c.Checkpoint(ctx, 0)
	require.ErrorIs(t, err, context.Canceled)
}

// No text that a server or a token can put into an error carries the token.
func TestTokenStaysSecret(t *testing.T) {
	ca := catest.New(t)
	c := connect(t, ca, nil)
	token := ca.Token("device", "SN-1")
	ca.Lock()
	ca.Intercept = func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) }
	ca.Unlock()
	_, err := c.Enroll(t.Context(), client.Request{Token: &token, CSR: csrFor(t, catest.NewKey(t))})
	require.ErrorIs(t, err, client.ErrUnreachable)
	require.NotContains(t, err.Error(), strings.Split(token.String(), ".")[1])
}

// No Retry-After makes a caller wait for longer than a day, or for less than
// nothing.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "1e9", "86401", "Thu, 01 Jan 1970 00:01:30 GMT", "Thu, 01 Jan 9999 00:01:30 GMT", "Wed, 31 Dec 1969 23:00:00 GMT", strconv.Itoa(1 << 40)} {
		f.Add(seed, "Thu, 01 Jan 1970 00:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		d := client.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}})
		if d < 0 || d > 24*time.Hour {
			t.Fatal(d)
		}
	})
}

// Whatever a server sends as its certificates is an error or a chain of at least
// one, each of which writes back as it was read.
func FuzzParseCertificates(f *testing.F) {
	issuer := catest.NewIssuer(f, "hospital.example")
	f.Add([]byte(catest.PEM(issuer.Intermediate, issuer.Root)))
	f.Add([]byte(" \n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		certs, err := client.ParseCertificates(text)
		if err != nil {
			return
		}
		again, err := client.ParseCertificates([]byte(catest.PEM(certs...)))
		require.NoError(t, err)
		require.Equal(t, len(certs), len(again))
		require.NotEmpty(t, certs)
	})
}

// Who asks without a credential learns the code of its own key; a CA that answers
// with another one's is not believed. Approved, the same request is answered.
func TestAsk(t *testing.T) {
	ca := catest.New(t)
	c, csr := connect(t, ca, nil), csrFor(t, catest.NewKey(t))
	ask := client.Request{CSR: csr, Role: "device", Ask: true}
	_, err := c.Enroll(t.Context(), ask)
	var waits *client.PendingError
	require.ErrorAs(t, err, &waits)
	require.Equal(t, ca.Asking()[0].Code, waits.Code)
	require.Equal(t, "device", ca.Asking()[0].Role)
	require.Equal(t, catest.PollAfter*time.Second, waits.RetryAfter)

	foreign := waits.Pending
	ca.Lock()
	ca.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusAccepted)
		json.NewEncoder(w).Encode(foreign)
		return true
	}
	ca.Unlock()
	_, err = c.Enroll(t.Context(), client.Request{CSR: csrFor(t, catest.NewKey(t)), Ask: true})
	require.ErrorIs(t, err, api.ErrPending)
	ca.Lock()
	ca.Intercept = nil
	ca.Unlock()

	ca.Approve(waits.Code, "device/SN-9")
	got, err := c.Enroll(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, "spiffe://hospital.example/device/SN-9", got.ID)
}

// A certificate that ran out is renewed on its own path, and nowhere else.
func TestRenewLate(t *testing.T) {
	ca := catest.New(t)
	ca.Grace = time.Hour
	ca.Lifetime = 24 * time.Hour
	good := enrol(t, ca)
	_, err := connect(t, ca, good).RenewLate(t.Context(), client.Request{CSR: csrFor(t, catest.NewKey(t))})
	require.ErrorContains(t, err, "grace")

	key := catest.NewKey(t)
	leaf := ca.Leaf(t, key.Public(), "device/SN-1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	ca.Remember(leaf, "device/SN-1")
	late := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
	_, err = connect(t, ca, late).Renew(t.Context(), client.Request{CSR: csrFor(t, catest.NewKey(t))})
	require.ErrorContains(t, err, "no good certificate")
	_, err = connect(t, ca, late).RenewLate(t.Context(), client.Request{CSR: csrFor(t, catest.NewKey(t))})
	require.NoError(t, err)
}
