package est

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// No key is made for whoever shows nothing good, since that costs much, and others would
// wait for it.
func TestServerKeyForStrangers(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\nserver_keys = true\n"), c.Policies.Current().Version())
	require.NoError(t, err)
	h, err := New(Config{Registrar: c.Registrar, Issuers: c.Issuers, Identity: func() (*tls.Certificate, error) { return nil, errors.New("none") }})
	require.NoError(t, err)
	h.making <- struct{}{} // whoever has a key made waits, and then hears 503
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, Prefix+"serverkeygen", bytes.NewReader([]byte(base64.StdEncoding.EncodeToString(enrolltest.CSR(t, key)))))
	r.SetBasicAuth("x", api.NewJoinToken([32]byte{}).String())
	r.Header.Set("Content-Type", "application/pkcs10")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code, w.Body.String())
}
