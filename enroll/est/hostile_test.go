package est_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// What is wrong with a request is answered with a status and a sentence, and spends
// nothing.
func TestBadRequests(t *testing.T) {
	w := newWorld(t, "")
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	text := base64.StdEncoding.EncodeToString(csr)
	for name, tt := range map[string]struct {
		media, body string
		want        int
	}{
		"no media type":         {"", text, http.StatusUnsupportedMediaType},
		"form":                  {"application/x-www-form-urlencoded", text, http.StatusUnsupportedMediaType},
		"another media type":    {"application/pkcs7-mime", text, http.StatusUnsupportedMediaType},
		"empty":                 {"application/pkcs10", "", http.StatusBadRequest},
		"white space":           {"application/pkcs10", " \r\n ", http.StatusBadRequest},
		"DER":                   {"application/pkcs10", string(csr), http.StatusBadRequest},
		"PEM":                   {"application/pkcs10", "-----BEGIN CERTIFICATE REQUEST-----\n" + text, http.StatusBadRequest},
		"base64 cut off":        {"application/pkcs10", text[:len(text)-3], http.StatusBadRequest},
		"DER cut off":           {"application/pkcs10", base64.StdEncoding.EncodeToString(csr[:len(csr)-1]), http.StatusBadRequest},
		"two requests":          {"application/pkcs10", base64.StdEncoding.EncodeToString(append(csr[:len(csr):len(csr)], csr...)), http.StatusBadRequest},
		"two requests, apart":   {"application/pkcs10", text + "\n" + text, http.StatusBadRequest},
		"something behind":      {"application/pkcs10", base64.StdEncoding.EncodeToString(append(csr[:len(csr):len(csr)], 0)), http.StatusBadRequest},
		"signature spoilt":      {"application/pkcs10", base64.StdEncoding.EncodeToString(spoilt(csr)), http.StatusBadRequest},
		"too large":             {"application/pkcs10", strings.Repeat("A", 100<<10), http.StatusRequestEntityTooLarge},
		"large and all padding": {"application/pkcs10", strings.Repeat(" ", 100<<10) + text, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			req := w.request(http.MethodPost, "simpleenroll", []byte(tt.body))
			req.Header.Set("Content-Type", tt.media)
			req.SetBasicAuth("x", token)
			got := w.do(w.client(0), req)
			require.Equal(t, tt.want, got.StatusCode, string(got.body))
			require.Equal(t, "text/plain; charset=utf-8", got.Header.Get("Content-Type"))
			require.Equal(t, 1, strings.Count(string(got.body), "\n"), "a sentence")
		})
	}
	w.post(w.client(0), "simpleenroll", token, csr).leaf(t) // it is unspent
}

func spoilt(csr []byte) []byte {
	csr = bytes.Clone(csr)
	csr[len(csr)-1] ^= 1
	return csr
}

// There is one spelling of each URL. No other one is redirected to it, and none shows
// what there is.
func TestPaths(t *testing.T) {
	w := newWorld(t, "", "device")
	for path, want := range map[string]int{
		"/.well-known/est/cacerts":                  http.StatusOK,
		"/.well-known/est/cacerts?x=y":              http.StatusOK,
		"/.well-known/est/device/cacerts":           http.StatusOK,
		"/.well-known/est/gateway/cacerts":          http.StatusNotFound, // a role, and not served
		"/.well-known/est/nobody/cacerts":           http.StatusNotFound,
		"/.well-known/est/ca/cacerts":               http.StatusNotFound,
		"/.well-known/est/Device/cacerts":           http.StatusNotFound,
		"/.well-known/est//cacerts":                 http.StatusNotFound,
		"/.well-known/est/./cacerts":                http.StatusNotFound,
		"/.well-known/est/device/../cacerts":        http.StatusNotFound,
		"/.well-known/est/device/device/cacerts":    http.StatusNotFound,
		"/.well-known//est/cacerts":                 http.StatusNotFound,
		"//.well-known/est/cacerts":                 http.StatusNotFound,
		"/.well-known/est/cacerts/":                 http.StatusNotFound,
		"/.well-known/est/cacerts%2f":               http.StatusNotFound,
		"/.well-known/est/device%2fcacerts":         http.StatusNotFound,
		"/.well-known/est/%64evice/cacerts":         http.StatusNotFound,
		"/.well-known/est/cacert%73":                http.StatusNotFound,
		"/.well-known/est/cacerts%00":               http.StatusNotFound,
		"/.well-known/est/":                         http.StatusNotFound,
		"/.well-known/est":                          http.StatusNotFound,
		"/":                                         http.StatusNotFound,
		"https://localhost/.well-known/est/cacerts": http.StatusOK,
		"*": http.StatusNotFound,
	} {
		answer := w.raw("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		require.True(t, strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", want)) || path == "*" && strings.HasPrefix(answer, "HTTP/1.1 400 "), "%s: %.60s", path, answer)
		require.NotContains(t, answer, "Location:", path)
	}
}

// All roles have labels where none are listed, but those that manage the CA.
func TestLabels(t *testing.T) {
	w := newWorld(t, "")
	for label, want := range map[string]int{"device": 200, "gateway": 200, "admin": 404, "officer": 404, "ca": 404, "nobody": 404} {
		require.Equal(t, want, w.get(label+"/cacerts").StatusCode, label)
	}
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	got := w.post(w.client(0), "gateway/simpleenroll", token, csr)
	require.Equal(t, http.StatusForbidden, got.StatusCode, "a label is not the token's role")
	w.post(w.client(0), "device/simpleenroll", token, csr).leaf(t)
}

// A method that a page does not know is said so, and full CMC is not offered.
func TestMethods(t *testing.T) {
	w := newWorld(t, "")
	for path, tt := range map[string]struct {
		method string
		want   int
		allow  string
	}{
		"cacerts":        {http.MethodPost, 405, "GET, HEAD"},
		"csrattrs":       {http.MethodPut, 405, "GET, HEAD"},
		"simpleenroll":   {http.MethodGet, 405, "POST"},
		"simplereenroll": {http.MethodHead, 405, "POST"},
		"serverkeygen":   {http.MethodDelete, 405, "POST"},
		"fullcmc":        {http.MethodPost, 501, ""},
	} {
		got := w.do(w.client(0), w.request(tt.method, path, nil))
		require.Equal(t, tt.want, got.StatusCode, path)
		require.Equal(t, tt.allow, got.Header.Get("Allow"), path)
	}
	head := w.do(w.client(0), w.request(http.MethodHead, "cacerts", nil))
	require.Equal(t, 200, head.StatusCode)
	require.Empty(t, head.body)
	require.Positive(t, head.ContentLength)
}

// Old and odd ways to send a request are all the same to the server: HTTP/1.0, chunks,
// and a client that waits to be told to go on.
func TestWire(t *testing.T) {
	w := newWorld(t, "")
	basic := func(name string) string {
		token := w.Token(enroll.TokenRequest{Role: "device", Name: name})
		return "Content-Type: application/pkcs10\r\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+token)) + "\r\n"
	}
	body := base64.StdEncoding.EncodeToString(enrolltest.CSR(t, enrolltest.NewKey(t)))
	answer := w.raw(fmt.Sprintf("POST /.well-known/est/simpleenroll HTTP/1.0\r\n%sContent-Length: %d\r\n\r\n%s", basic("old"), len(body), body))
	require.Contains(t, answer, "HTTP/1.0 200 OK")
	require.Contains(t, answer, "Content-Length: ")

	body = base64.StdEncoding.EncodeToString(enrolltest.CSR(t, enrolltest.NewKey(t)))
	answer = w.raw(fmt.Sprintf("POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%sTransfer-Encoding: chunked\r\n\r\n10\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
		basic("chunks"), body[:16], len(body)-16, body[16:]))
	require.Contains(t, answer, "HTTP/1.1 200 OK")

	body = base64.StdEncoding.EncodeToString(enrolltest.CSR(t, enrolltest.NewKey(t)))
	answer = w.raw(fmt.Sprintf("POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n%sContent-Length: %d\r\n\r\n%s", basic("waits"), len(body), body))
	require.Contains(t, answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")

	// It promises more than it sends.
	conn := "POST /.well-known/est/simpleenroll HTTP/1.0\r\n" + basic("lies") + "Content-Length: 100000000\r\n\r\n" + body
	require.Contains(t, w.rawClosed(conn), " 413 ")
	require.Equal(t, 3, w.Certificates("device/old")+w.Certificates("device/chunks")+w.Certificates("device/waits"))
}

// Whatever a stranger shows, he learns that it is not good, and no more; and each
// is on record.
func TestBadCredentials(t *testing.T) {
	w := newWorld(t, "")
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	post := func(header ...string) exchange {
		req := w.request(http.MethodPost, "simpleenroll", []byte(base64.StdEncoding.EncodeToString(csr)))
		req.Header.Set("Content-Type", "application/pkcs10")
		req.Header["Authorization"] = header
		return w.do(w.client(0), req)
	}
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	var first string
	for name, header := range map[string]string{
		"none":                  "",
		"not base64":            "Basic ###",
		"no colon":              basic(token),
		"the token as the user": basic(token + ":"),
		"two colons":            basic("a:b:" + token),
		"NUL before":            basic("a:\x00" + token),
		"NUL behind":            basic("a:" + token + "\x00"),
		"UTF-8":                 basic("zoë:пароль"),
		"not UTF-8":             basic("\xff:\xfe"),
		"bearer":                "Bearer " + token,
		"digest":                `Digest username="x"`,
		"unknown":               basic("x:" + enrolltest.New(t).Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})),
	} {
		var headers []string
		if header != "" {
			headers = []string{header}
		}
		w.Advance(2 * time.Minute) // one source has five tries a minute
		got := post(headers...)
		require.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
		require.Equal(t, `Basic realm="betonica"`, got.Header.Get("WWW-Authenticate"), name)
		if first == "" {
			first = string(got.body)
		}
		require.Equal(t, first, string(got.body), name)
	}
	require.Equal(t, http.StatusBadRequest, post(basic("x:"+token), basic("y:"+token)).StatusCode)
	for _, user := range []string{"", "anybody", "zoë", "\x00"} {
		require.Equal(t, http.StatusOK, post(basic(user+":"+token)).StatusCode, "the user may be called anything")
	}
	for range 6 {
		post(basic("x:y"))
	}
	got := post(basic("x:y"))
	require.Equal(t, http.StatusTooManyRequests, got.StatusCode)
	require.NotEmpty(t, got.Header.Get("Retry-After"))
	w.Stop()
	require.Len(t, w.Audit("token.refuse"), 12+7)
}

// Only a certificate of ours that is good now follows on itself.
func TestBadCertificates(t *testing.T) {
	w, other := newWorld(t, ""), newWorld(t, "")
	cert, key := w.enrolled("device", "pump-1")
	foreign, foreignKey := other.enrolled("device", "pump-1")
	csr := enrolltest.Again(t, cert, enrolltest.NewKey(t))
	status := func(client *http.Client) int { return w.post(client, "simplereenroll", "", csr).StatusCode }

	require.Equal(t, http.StatusForbidden, status(w.client(0)), "none")
	require.Equal(t, http.StatusForbidden, status(w.client(0, other.TLS(foreign, foreignKey))), "of another CA")
	forged := &tls.Certificate{Certificate: [][]byte{w.forged(cert)}, PrivateKey: forgery}
	require.Equal(t, http.StatusUnauthorized, status(w.client(0, forged)), "that says it is ours")
	require.Equal(t, http.StatusForbidden, w.post(w.client(0), "simplereenroll", w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true}), csr).StatusCode, "a token says nothing here")

	good := w.client(0, w.TLS(cert, key))
	require.Equal(t, http.StatusForbidden, w.post(good, "gateway/simplereenroll", "", csr).StatusCode, "another label")
	require.Equal(t, http.StatusForbidden, w.post(good, "simplereenroll", "", enrolltest.CSR(t, key)).StatusCode, "other names")
	_, err := w.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status(good), "suspended")
	_, err = w.Resume(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status(good), "the connection may have outlived all that")
	_, err = w.Enroll(t.Context(), w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true}), home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status(good), "revoked")

	cert, key = w.enrolled("device", "pump-2")
	w.Advance(25 * time.Hour)
	require.Equal(t, http.StatusForbidden, w.post(w.client(0, w.TLS(cert, key)), "simplereenroll", "", enrolltest.Again(t, cert, key)).StatusCode, "expired")
}

// TLS below 1.2, or without forward secrecy and authenticated encryption, is not
// spoken.
func TestTLS(t *testing.T) {
	w := newWorld(t, "")
	for name, conf := range map[string]*tls.Config{
		"TLS 1.1": {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"CBC":     {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}},
		"RSA":     {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
	} {
		conf.RootCAs, conf.ServerName = w.roots, "localhost"
		_, err := tls.Dial("tcp", w.server.Listener.Addr().String(), conf)
		require.Error(t, err, name)
	}
	conf := &tls.Config{RootCAs: w.roots, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	for range 2 {
		conn, err := tls.Dial("tcp", w.server.Listener.Addr().String(), conf)
		require.NoError(t, err)
		require.False(t, conn.ConnectionState().DidResume)
		require.Equal(t, "", conn.ConnectionState().NegotiatedProtocol)
		conn.Close()
	}
}
