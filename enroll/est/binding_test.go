package est_test

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

var (
	oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	oidIdentityLinking   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 58}
)

const required = `
[role.device]
channel_binding = "required"
`

// withAttribute returns a request for key with an attribute of one text, which
// crypto/x509 does not write.
func withAttribute(t *testing.T, key crypto.Signer, oid asn1.ObjectIdentifier, text string) []byte {
	t.Helper()
	return withAttributes(t, key, wants(t, oid, text))
}

// connected sends a request that is made once the connection is there.
func (w *world) connected(version uint16, token string, make func(tls.ConnectionState) []byte) exchange {
	w.t.Helper()
	client := w.client(version)
	first := w.do(client, w.request(http.MethodGet, "cacerts", nil)) // the connection is kept
	got := w.post(client, "simpleenroll", token, make(*first.TLS))
	require.Equal(w.t, first.TLS.TLSUnique, got.TLS.TLSUnique, "it is the same connection")
	return got
}

func exporter(t *testing.T, state tls.ConnectionState) string {
	key, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(key)
}

// A role that requires it takes a request that names its connection, by what each
// version of TLS has and in both attributes, and no other.
func TestChannelBinding(t *testing.T) {
	w := newWorld(t, required)
	unique := func(state tls.ConnectionState) string { return base64.StdEncoding.EncodeToString(state.TLSUnique) }
	export := func(state tls.ConnectionState) string { return exporter(t, state) }
	count := 0
	for name, tt := range map[string]struct {
		version uint16
		oid     asn1.ObjectIdentifier
		text    func(tls.ConnectionState) string
		want    int
	}{
		"tls-unique":                  {tls.VersionTLS12, oidChallengePassword, unique, 200},
		"tls-unique, RFC 7894":        {tls.VersionTLS12, oidIdentityLinking, unique, 200},
		"tls-exporter":                {tls.VersionTLS13, oidChallengePassword, export, 200},
		"tls-exporter on TLS 1.2":     {tls.VersionTLS12, oidChallengePassword, export, 200},
		"nothing":                     {tls.VersionTLS13, nil, nil, 403},
		"another token":               {tls.VersionTLS13, oidChallengePassword, func(tls.ConnectionState) string { return w.Token(enroll.TokenRequest{Role: "device", Name: "x"}) }, 400},
		"empty":                       {tls.VersionTLS13, oidChallengePassword, func(tls.ConnectionState) string { return "" }, 403},
		"a password":                  {tls.VersionTLS12, oidChallengePassword, func(tls.ConnectionState) string { return "secret" }, 403},
		"tls-unique of no connection": {tls.VersionTLS12, oidChallengePassword, func(tls.ConnectionState) string { return base64.StdEncoding.EncodeToString(make([]byte, 12)) }, 403},
		"a part of it":                {tls.VersionTLS12, oidChallengePassword, func(s tls.ConnectionState) string { return base64.StdEncoding.EncodeToString(s.TLSUnique[:11]) }, 403},
	} {
		t.Run(name, func(t *testing.T) {
			key := enrolltest.NewKey(t)
			count++
			token := w.Token(enroll.TokenRequest{Role: "device", Name: fmt.Sprintf("pump-%d", count)})
			got := w.connected(tt.version, token, func(state tls.ConnectionState) []byte {
				if tt.text == nil {
					return enrolltest.CSR(t, key)
				}
				return withAttribute(t, key, tt.oid, tt.text(state))
			})
			require.Equal(t, tt.want, got.StatusCode, string(got.body))
		})
	}
}

// A request that names another connection is refused whatever the role says: it was
// passed on. One that holds a token names none.
func TestOtherChannel(t *testing.T) {
	w := newWorld(t, "")
	key := enrolltest.NewKey(t)
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	var captured []byte
	w.connected(tls.VersionTLS13, "bt1.x.y", func(state tls.ConnectionState) []byte {
		captured = withAttribute(t, key, oidChallengePassword, exporter(t, state))
		return captured
	})
	got := w.post(w.client(tls.VersionTLS13), "simpleenroll", token, captured)
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.True(t, bytes.Contains(got.body, []byte("TLS connection")))
	require.Len(t, w.Audit("certificate.refuse"), 1)
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: captured})
	got = w.post(w.client(tls.VersionTLS13), "simpleenroll", token, inPEM)
	require.Equal(t, http.StatusBadRequest, got.StatusCode, "only what is DER is read in one way: "+string(got.body))
	w.post(w.client(0), "simpleenroll", token, withAttribute(t, key, oidChallengePassword, token)).leaf(t)
}

// A request that holds one token and comes with another one was made for somebody else.
func TestOtherToken(t *testing.T) {
	w := newWorld(t, "")
	key := enrolltest.NewKey(t)
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	captured := withAttribute(t, key, oidChallengePassword, w.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"}))
	for _, path := range []string{"simpleenroll", "device/simpleenroll", "serverkeygen"} {
		got := w.post(w.client(0), path, token, captured)
		require.Equal(t, http.StatusBadRequest, got.StatusCode, string(got.body))
	}
	w.post(w.client(0), "simpleenroll", token, withAttribute(t, key, oidChallengePassword, token)).leaf(t)
}
