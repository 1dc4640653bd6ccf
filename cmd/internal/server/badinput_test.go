package server

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// requestFor returns a CSR in DER, made of a template with a key.
func requestFor(t *testing.T, key crypto.Signer, template x509.CertificateRequest) []byte {
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	require.NoError(t, err)
	return der
}

// A bad request is answered with what is wrong with it, by status and type, and
// with nothing about us; and it does not burn the token.
func TestBadRequests(t *testing.T) {
	f := newServer(t, nil)
	token := f.ca.Token(enroll.TokenRequest{Role: "device", Name: "SN-1"})
	key := enrolltest.NewKey(t)
	good := enrolltest.CSR(t, key)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	t.Setenv("GODEBUG", "rsa1024min=0")
	rsa1024, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1

	raw := http.Header{"Authorization": {"Bearer " + token}}
	asJSON := http.Header{"Authorization": raw["Authorization"], "Content-Type": {"application/json"}}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: good}))
	quoted, err := json.Marshal(text)
	require.NoError(t, err)
	csr := string(quoted)
	for _, tt := range []struct {
		name   string
		header http.Header
		body   []byte
		status int
		kind   string
		detail string
	}{
		{"empty", raw, nil, 400, api.ProblemMalformed, "missing"},
		{"garbage", raw, []byte("hello"), 400, api.ProblemMalformed, "certificate request"},
		{"cut off", raw, good[:len(good)/2], 400, api.ProblemMalformed, "certificate request"},
		{"with a tail", raw, append(bytes.Clone(good), 0), 400, api.ProblemMalformed, "certificate request"},
		{"forged", raw, forged, 400, api.ProblemMalformed, "certificate request"},
		{"oversized", raw, bytes.Repeat([]byte{'x'}, api.MaxBody+1), 413, api.ProblemMalformed, "larger than"},
		{"weak curve", raw, requestFor(t, p224, x509.CertificateRequest{}), 400, api.ProblemMalformed, "certificate request"},
		{"weak RSA", raw, requestFor(t, rsa1024, x509.CertificateRequest{}), 400, api.ProblemMalformed, "certificate request"},
		{"another identity", raw, enrolltest.CSR(t, key, "device/SN-2"), 403, api.ProblemDenied, "SN-2"},
		{"two identities", raw, enrolltest.CSR(t, key, "device/SN-1", "device/SN-2"), 400, api.ProblemMalformed, "certificate request"},
		{"another common name", raw, requestFor(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "root"}}), 403, api.ProblemDenied, "root"},
		{"a name not covered", raw, requestFor(t, key, x509.CertificateRequest{DNSNames: []string{"sn-2.devices.example"}}), 403, api.ProblemDenied, "sn-2"},
		{"an address not covered", raw, requestFor(t, key, x509.CertificateRequest{IPAddresses: []net.IP{{10, 0, 0, 1}}}), 403, api.ProblemDenied, "10.0.0.1"},
		{"unknown media type", http.Header{"Authorization": raw["Authorization"], "Content-Type": {"text/html"}}, good, 415, api.ProblemMalformed, "media type"},
		{"not JSON", asJSON, []byte("{"), 400, api.ProblemMalformed, "JSON"},
		{"unknown member", asJSON, []byte(`{"csr":` + csr + `,"lifetime":"1y"}`), 400, api.ProblemMalformed, "lifetime"},
		{"another role", asJSON, []byte(`{"csr":` + csr + `,"role":"admin"}`), 403, api.ProblemDenied, "role"},
		{"asking for ever", asJSON, []byte(`{"csr":` + csr + `,"ask":"yes"}`), 400, api.ProblemMalformed, "ask"},
		{"member twice", asJSON, []byte(`{"csr":` + csr + `,"csr":` + csr + `}`), 400, api.ProblemMalformed, "appears twice"},
		{"two objects", asJSON, []byte(`{"csr":` + csr + `}{}`), 400, api.ProblemMalformed, "JSON"},
		{"wrong type", asJSON, []byte(`{"csr":7}`), 400, api.ProblemMalformed, "csr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := f.do(f.client(), http.MethodPost, f.urls.https+api.PathEnroll, tt.header, tt.body)
			p := requireProblem(t, resp, body, tt.status, tt.kind)
			require.Contains(t, p.Detail, tt.detail)
			requireDiscreet(t, p)
		})
	}
	resp, body := f.do(f.client(), http.MethodPost, f.urls.https+api.PathEnroll, raw, good)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "%s", body)
}

// requireDiscreet checks that a problem says nothing about us: no path, no
// package, no statement of SQL, no token.
func requireDiscreet(t *testing.T, p api.Problem) {
	for _, word := range []string{"store:", "sql", "x509:", "asn1:", "/work", ".go", "bt1."} {
		require.NotContains(t, strings.ToLower(p.Detail), word)
	}
}

// A token that is none, replayed, late, or in the wrong place is refused as
// every other, without a hint why; with another key it is an alarm.
func TestBadTokens(t *testing.T) {
	f := newServer(t, nil)
	enrol := func(header http.Header, query string, csr []byte) (*http.Response, []byte) {
		return f.do(f.client(), http.MethodPost, f.urls.https+api.PathEnroll+query, header, csr)
	}
	token := f.ca.Token(enroll.TokenRequest{Role: "device", Name: "SN-1"})
	bearer := http.Header{"Authorization": {"Bearer " + token}}
	key := enrolltest.NewKey(t)

	for _, tt := range []struct {
		name   string
		header http.Header
		query  string
	}{
		{"none", nil, ""},
		{"of another version", http.Header{"Authorization": {"Bearer bt2" + token[len("bt1"):]}}, ""},
		{"Basic", http.Header{"Authorization": {"Basic " + token}}, ""},
		{"no token", http.Header{"Authorization": {"Bearer x"}}, ""},
		{"another secret", http.Header{"Authorization": {"Bearer bt1." + strings.Repeat("A", 43) + token[len("bt1.")+43:]}}, ""},
	} {
		resp, body := enrol(tt.header, tt.query, enrolltest.CSR(t, key))
		p := requireProblem(t, resp, body, 401, api.ProblemUnauthenticated)
		require.Equal(t, enroll.ErrUnauthenticated.Error(), p.Detail, tt.name)
	}
	resp, body := enrol(nil, "?token="+token, enrolltest.CSR(t, key))
	p := requireProblem(t, resp, body, 400, api.ProblemMalformed) // it is in every proxy's log by now
	require.NotContains(t, p.Detail, token)
	resp, body = enrol(http.Header{"Authorization": {"Bearer x"}}, "", enrolltest.CSR(t, key))
	requireProblem(t, resp, body, 429, api.ProblemRateLimited)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))

	resp, first := enrol(bearer, "", enrolltest.CSR(t, key))
	require.Equal(t, http.StatusCreated, resp.StatusCode, "a good token passes")
	resp, again := enrol(bearer, "", enrolltest.CSR(t, key))
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	require.Equal(t, first, again, "a reply that was lost is given again")

	f.ca.Advance(2 * time.Minute) // past the rate's window
	resp, body = enrol(bearer, "", enrolltest.CSR(t, enrolltest.NewKey(t)))
	requireProblem(t, resp, body, 409, api.ProblemReused)

	late := http.Header{"Authorization": {"Bearer " + f.ca.Token(enroll.TokenRequest{Role: "device", Name: "SN-2"})}}
	f.ca.Advance(61 * time.Minute)
	resp, body = enrol(late, "", enrolltest.CSR(t, enrolltest.NewKey(t)))
	requireProblem(t, resp, body, 401, api.ProblemUnauthenticated)
	require.NotContains(t, f.log.String(), token, "a token is not logged")
}

// Without a certificate, with a stranger's, and with one whose identity was
// suspended while the connection stayed open, nothing is renewed.
func TestBadHolders(t *testing.T) {
	f := newServer(t, nil)
	renewal := func(c *http.Client, csr []byte) (*http.Response, []byte) {
		return f.do(c, http.MethodPost, f.urls.https+api.PathRenew, nil, csr)
	}
	resp, body := renewal(f.client(), enrolltest.CSR(t, enrolltest.NewKey(t)))
	requireProblem(t, resp, body, 401, api.ProblemUnauthenticated)

	key := enrolltest.NewKey(t)
	self := &x509.Certificate{SerialNumber: f.Issuers.Current().Certificate().SerialNumber, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	require.NoError(t, err)
	resp, body = renewal(f.client(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}), enrolltest.CSR(t, enrolltest.NewKey(t)))
	requireProblem(t, resp, body, 401, api.ProblemUnauthenticated)

	token := f.ca.Token(enroll.TokenRequest{Role: "device", Name: "SN-1"})
	cert, err := f.ca.Enroll(t.Context(), token, netip.MustParseAddr("127.0.0.1"), enrolltest.CSR(t, key))
	require.NoError(t, err)
	c := f.client(*f.ca.TLS(cert, key))
	resp, body = renewal(c, enrolltest.CSR(t, key))
	requireProblem(t, resp, body, 409, api.ProblemConflict) // the same key
	resp, body = renewal(c, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.Equal(t, http.StatusCreated, resp.StatusCode, "%s", body)

	_, err = f.ca.Suspend(t.Context(), enrolltest.Root, "device/SN-1")
	require.NoError(t, err)
	resp, body = renewal(c, enrolltest.CSR(t, enrolltest.NewKey(t)))
	p := requireProblem(t, resp, body, 403, api.ProblemDenied)
	require.Contains(t, p.Detail, "suspended")
	resp, body = f.do(c, http.MethodPost, f.urls.https+api.PathConfirm, nil, nil)
	requireProblem(t, resp, body, 403, api.ProblemDenied)
}

// A body that breaks off, or whose framing is wrong, is the caller's mistake and
// not an error of ours.
func TestBrokenBody(t *testing.T) {
	f := newServer(t, nil)
	roots := x509.NewCertPool()
	roots.AddCert(f.Issuers.Root())
	for _, tail := range []string{
		"Content-Length: 100\r\n\r\nonly this",
		"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
	} {
		c, err := tls.Dial("tcp", f.urls.https[len("https://"):], &tls.Config{RootCAs: roots})
		require.NoError(t, err)
		_, err = c.Write([]byte("POST " + api.PathEnroll + " HTTP/1.1\r\nHost: localhost\r\n" + tail))
		require.NoError(t, err)
		require.NoError(t, c.CloseWrite())
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		requireProblem(t, resp, body, 400, api.ProblemMalformed)
		c.Close()
	}
	require.NotContains(t, f.log.String(), "level=ERROR")
}
