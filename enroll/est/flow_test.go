package est_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// A machine with the root alone fetches the chain, enrols by a token, and follows on
// its certificate with new keys, over TLS 1.2 as over TLS 1.3.
func TestLife(t *testing.T) {
	w := newWorld(t, "")
	certs := w.get("cacerts").certificates(t)
	require.Len(t, certs, 2)
	require.Equal(t, w.Authority.Root().Raw, certs[0].Raw)
	require.Equal(t, w.Authority.Certificate().Raw, certs[1].Raw)

	for version, name := range map[uint16]string{tls.VersionTLS12: "pump-12", tls.VersionTLS13: "pump-13"} {
		t.Run(name, func(t *testing.T) {
			key := enrolltest.NewKey(t)
			token := w.Token(enroll.TokenRequest{Role: "device", Name: name})
			got := w.post(w.client(version), "device/simpleenroll", token, enrolltest.CSR(t, key))
			require.Equal(t, version, got.TLS.Version)
			cert := got.leaf(t)
			require.Equal(t, "/device/"+name, cert.URIs[0].Path)
			require.Equal(t, "application/pkcs7-mime; smime-type=certs-only", got.Header.Get("Content-Type"))
			for range 2 {
				next := enrolltest.NewKey(t)
				child := w.post(w.client(version, w.TLS(cert, key)), "simplereenroll", "", enrolltest.Again(t, cert, next)).leaf(t)
				require.Equal(t, cert.URIs, child.URIs)
				cert, key = child, next
			}
			require.Equal(t, 3, w.Certificates("device/"+name))
		})
	}
	require.Empty(t, w.Audit("certificate.fork"))
	require.Empty(t, w.Audit("certificate.refuse"))
}

// The same request gets the same certificate, for a reply may get lost: by token, and
// by certificate.
func TestLostReply(t *testing.T) {
	w := newWorld(t, "")
	key, next := enrolltest.NewKey(t), enrolltest.NewKey(t)
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	csr := enrolltest.CSR(t, key)
	cert := w.post(w.client(0), "simpleenroll", token, csr).leaf(t)
	require.Equal(t, cert.Raw, w.post(w.client(0), "simpleenroll", token, csr).leaf(t).Raw)
	csr = enrolltest.Again(t, cert, next)
	child := w.post(w.client(0, w.TLS(cert, key)), "simplereenroll", "", csr).leaf(t)
	require.Equal(t, child.Raw, w.post(w.client(0, w.TLS(cert, key)), "simplereenroll", "", csr).leaf(t).Raw)
}

// Whoever shows a certificate of ours and nothing else may use simpleenroll, too, and
// then asks for what names he likes: the record decides.
func TestSimpleEnrollByCertificate(t *testing.T) {
	w := newWorld(t, "")
	cert, key := w.enrolled("device", "pump-1")
	client := w.client(0, w.TLS(cert, key))
	child := w.post(client, "device/simpleenroll", "", enrolltest.CSR(t, enrolltest.NewKey(t))).leaf(t)
	require.Equal(t, cert.URIs, child.URIs)
	require.Equal(t, http.StatusForbidden, w.post(client, "gateway/simpleenroll", "", enrolltest.CSR(t, enrolltest.NewKey(t))).StatusCode)
	require.Equal(t, http.StatusForbidden, w.post(client, "simpleenroll", "", enrolltest.CSR(t, enrolltest.NewKey(t), "device/pump-2")).StatusCode)
}

// Old clients read one encoding each, and no answer in chunks: strongSwan's one line,
// libest's lines of 64 columns; the names of headers are spelt as the RFCs do.
func TestEncodings(t *testing.T) {
	w := newWorld(t, "")
	for agent, most := range map[string]int{"strongSwan": 1 << 20, "libest 3.2.0p": 64} {
		req := w.request(http.MethodGet, "cacerts", nil)
		req.Header.Set("User-Agent", agent)
		got := w.do(w.client(0), req)
		require.Len(t, got.certificates(t), 2)
		require.Equal(t, int64(len(got.body)), got.ContentLength)
		require.Empty(t, got.TransferEncoding)
		require.Equal(t, "base64", got.Header.Get("Content-Transfer-Encoding"))
		require.True(t, bytes.HasSuffix(got.body, []byte("\n")))
		require.NotContains(t, string(got.body), "\r")
		lines := strings.Split(strings.TrimSuffix(string(got.body), "\n"), "\n")
		for _, line := range lines {
			require.LessOrEqual(t, len(line), most)
		}
		require.Equal(t, most > 64, len(lines) == 1)
	}
	text := w.raw("POST " + "/.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/pkcs10\r\nConnection: close\r\nContent-Length: 4\r\n\r\nMAA=")
	require.Contains(t, text, "HTTP/1.1 401 ")
	require.Contains(t, text, "\r\nWWW-Authenticate: Basic realm=\"betonica\"\r\n")
	require.Contains(t, text, "\r\nContent-Length: ")
}

// The base64 of a request may have white space anywhere, and none; what
// Content-Transfer-Encoding says does not count (RFC 8951).
func TestWhiteSpace(t *testing.T) {
	w := newWorld(t, "")
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	text := base64.StdEncoding.EncodeToString(csr)
	var cert *x509.Certificate
	for name, body := range map[string]string{
		"none": text, "CRLF": text[:10] + "\r\n" + text[10:] + "\r\n", "all kinds": " \t\v\f" + text[:1] + "\n\n" + text[1:] + "\r",
	} {
		req := w.request(http.MethodPost, "simpleenroll", []byte(body))
		req.Header.Set("Content-Type", "Application/PKCS10; charset=us-ascii")
		req.Header.Set("Content-Transfer-Encoding", "quoted-printable")
		req.SetBasicAuth("", token)
		got := w.do(w.client(0), req).leaf(t)
		if cert != nil {
			require.Equal(t, cert.Raw, got.Raw, name)
		}
		cert = got
	}
}
