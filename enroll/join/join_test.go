package join_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/join"
	"github.com/betonica/betonica/store"
)

// post sends one request to a listening handler, and returns the answer and the
// error that the handler returned.
func post(t *testing.T, c *enrolltest.CA, header http.Header, body []byte) (*http.Response, []byte, error) {
	t.Helper()
	h := &join.Handler{Registrar: c.Registrar}
	failed := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h.Enroll(w, r)
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
		failed <- err
	}))
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+api.PathEnroll, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, text, <-failed
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// A raw CSR, in PEM or DER, is answered with a PEM chain.
func TestEnrollRaw(t *testing.T) {
	c := enrolltest.New(t)
	for name, encode := range map[string]func([]byte) []byte{
		"der": func(der []byte) []byte { return der },
		"pem": func(der []byte) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
		},
	} {
		t.Run(name, func(t *testing.T) {
			token := c.Token(enroll.TokenRequest{Role: "device", Name: name})
			header := bearer(token)
			header.Set("Date", time.Now().UTC().Add(-24*time.Hour).Format(http.TimeFormat))
			resp, body, err := post(t, c, header, encode(enrolltest.CSR(t, enrolltest.NewKey(t))))
			require.NoError(t, err)
			issued := c.Audit("certificate.issue")
			require.Contains(t, issued[len(issued)-1].Detail, "clock", "its clock is a day behind")
			require.Equal(t, http.StatusCreated, resp.StatusCode)
			leaf, rest := pem.Decode(body)
			issuer, rest := pem.Decode(rest)
			require.Empty(t, rest)
			require.Equal(t, c.Authority.Certificate().Raw, issuer.Bytes)
			cert, err := x509.ParseCertificate(leaf.Bytes)
			require.NoError(t, err)
			require.Equal(t, "/device/"+name, cert.URIs[0].Path)
		})
	}
}

// JSON is answered with JSON: the chain, when to renew, the CA's clock, and the
// log's newest checkpoint with a proof from the one that the caller holds.
func TestEnrollJSON(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	last, err := c.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)

	csr := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: enrolltest.CSR(t, enrolltest.NewKey(t))})
	body, err := json.Marshal(api.EnrollRequest{CSR: string(csr), Since: 1})
	require.NoError(t, err)
	header := bearer(token)
	header.Set("Content-Type", "application/json")
	resp, text, err := post(t, c, header, body)
	require.NoError(t, err)
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	var answer api.EnrollResponse
	require.NoError(t, json.Unmarshal(text, &answer))
	block, _ := pem.Decode([]byte(answer.Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.Equal(t, store.SerialOf(cert).String(), answer.Serial)
	require.True(t, answer.NotAfter.Equal(cert.NotAfter))
	require.True(t, answer.RenewAfter.Equal(enroll.RenewAfter(cert)))
	require.WithinDuration(t, c.Now(), answer.ServerTime, time.Minute)
	require.Equal(t, last.Note, answer.Checkpoint.Note)
	require.Equal(t, int64(1), answer.Checkpoint.Since)
	require.NotEmpty(t, answer.Checkpoint.Proof)
	require.NotEmpty(t, answer.Checkpoint.Key)
}

// What is wrong with a request comes back as the error that says so, and spends
// nothing.
func TestEnrollRefuses(t *testing.T) {
	c := enrolltest.New(t)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	bad := func(status int) func(error) bool {
		return func(err error) bool {
			e, ok := errors.AsType[*api.BadRequestError](err)
			return ok && e.Status == status
		}
	}
	unauthenticated := func(err error) bool { return err == enroll.ErrUnauthenticated }
	request := func(err error) bool { _, ok := errors.AsType[*ca.RequestError](err); return ok }
	with := func(key, value string) http.Header {
		h := bearer(token)
		h.Add(key, value)
		return h
	}
	for _, tt := range []struct {
		name   string
		header http.Header
		body   []byte
		want   func(error) bool
	}{
		{"no token", http.Header{}, csr, unauthenticated},
		{"Basic", http.Header{"Authorization": {"Basic " + token}}, csr, unauthenticated},
		{"bare token", http.Header{"Authorization": {token}}, csr, unauthenticated},
		{"two tokens", with("Authorization", "Bearer x"), csr, bad(400)},
		{"no CSR", bearer(token), nil, bad(400)},
		{"too large", bearer(token), bytes.Repeat([]byte("x"), api.MaxBody+1), bad(413)},
		{"media type", with("Content-Type", "text/html"), csr, bad(415)},
		{"token in the body", with("Content-Type", "application/json"), []byte(`{"csr":"x","token":"` + token + `"}`), bad(400)},
		{"garbage", bearer(token), []byte("hello"), request},
		{"cut off", bearer(token), csr[:len(csr)-1], request},
		{"JSON without PEM", with("Content-Type", "application/json"), []byte(`{"csr":"x"}`), request},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := post(t, c, tt.header, tt.body)
			require.True(t, tt.want(err), err)
		})
	}
	_, _, err := post(t, c, http.Header{"Authorization": {"bearer  " + token}}, csr)
	require.NoError(t, err, "the scheme is written in any case, and the token is unspent")
}

// Whoever asks without a credential is told to wait, in JSON whatever the question was,
// until a person has said who it is; whoever shows something that is no token, is not.
func TestEnrollAsks(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\nmethods = ['approval']\n"), enroll.AnyVersion)
	require.NoError(t, err)
	key := enrolltest.NewKey(t)
	csr := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: enrolltest.CSR(t, key)})
	body, err := json.Marshal(api.EnrollRequest{CSR: string(csr), Role: "device", Ask: true})
	require.NoError(t, err)
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/pem-certificate-chain"}}

	resp, text, err := post(t, c, header, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	var pending api.Pending
	require.NoError(t, json.Unmarshal(text, &pending))
	require.Equal(t, strconv.Itoa(pending.PollAfter), resp.Header.Get("Retry-After"))
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	require.NoError(t, pending.Check(spki))

	for _, authorization := range []string{"", "Basic eDp5", "Bearer", "Bearer bt1.x.y"} {
		header := header.Clone()
		header.Set("Authorization", authorization)
		_, _, err = post(t, c, header, body)
		require.ErrorIs(t, err, enroll.ErrUnauthenticated, authorization)
	}
	id, err := store.ParseRequestID(pending.RequestID)
	require.NoError(t, err)
	_, err = c.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: id, SPKI: sha256.Sum256(spki), Role: "device", Name: "pump-1"})
	require.NoError(t, err)
	resp, text, err = post(t, c, header, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	leaf, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(leaf.Bytes)
	require.NoError(t, err)
	require.Equal(t, "/device/pump-1", cert.URIs[0].Path)
}

// Whatever the body and the header are, a request without a good token gets no
// certificate and is not answered; nothing panics.
func FuzzEnroll(f *testing.F) {
	c := enrolltest.New(f)
	h := &join.Handler{Registrar: c.Registrar}
	csr := enrolltest.CSR(f, enrolltest.NewKey(f))
	root := sha256.Sum256(c.Authority.Root().Raw)
	f.Add("Bearer "+api.NewJoinToken(root).String(), "", csr)
	f.Add("Bearer x", "application/json", []byte(`{"csr":"-----BEGIN CERTIFICATE REQUEST-----"}`))
	f.Add("", "text/html", []byte{})
	f.Fuzz(func(t *testing.T, authorization, media string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, api.PathEnroll, bytes.NewReader(body))
		r.Header.Set("Authorization", strings.ToValidUTF8(authorization, ""))
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		err := h.Enroll(w, r)
		_, limited := errors.AsType[*enroll.RateLimitError](err)
		_, bad := errors.AsType[*api.BadRequestError](err)
		require.True(t, limited || bad || err == enroll.ErrUnauthenticated, err)
		require.Zero(t, w.Body.Len())
	})
}
