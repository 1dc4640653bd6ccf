package est_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/est"
)

// Whatever a stranger sends, to whatever path, he gets no certificate: an answer of
// plain text that says its length, or what everybody may have.
func FuzzStranger(f *testing.F) {
	c := enrolltest.New(f)
	h, err := est.New(est.Config{Registrar: c.Registrar, Issuers: c.Issuers, Identity: func() (*tls.Certificate, error) { return nil, errors.New("none") }})
	require.NoError(f, err)
	csr := enrolltest.CSR(f, enrolltest.NewKey(f))
	text := []byte(base64.StdEncoding.EncodeToString(csr))
	token := api.NewJoinToken(sha256.Sum256(c.Authority.Root().Raw)).String()
	f.Add("POST", "simpleenroll", "Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+token)), "application/pkcs10", text)
	f.Add("POST", "device/simplereenroll", "", "application/pkcs10", text)
	f.Add("POST", "serverkeygen", "Basic x", "", text[:20])
	f.Add("GET", "../device//csrattrs", "", "", []byte{})
	f.Fuzz(func(t *testing.T, method, path, authorization, media string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Method, r.URL.Path = method, est.Prefix+path
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.NotEqual(t, "application/pkcs7-mime; smime-type=certs-only", w.Header().Get("Content-Type"))
		if w.Code >= 300 {
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
			require.NotEmpty(t, w.Header().Get("Content-Length"))
			require.Contains(t, []int{400, 401, 403, 404, 405, 413, 415, 429, 501}, w.Code, w.Body.String())
		}
	})
}
