package server

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TLS is 1.3, with a key exchange that a recorded session cannot be broken by a
// quantum computer later; each connection stands for itself; the certificate is
// the CA's own by its name.
func TestTLS(t *testing.T) {
	f := newServer(t, nil)
	roots := x509.NewCertPool()
	roots.AddCert(f.Issuers.Root())
	address := f.urls.https[len("https://"):]
	conf := &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	for range 2 {
		c, err := tls.Dial("tcp", address, conf)
		require.NoError(t, err)
		state := c.ConnectionState()
		require.Equal(t, uint16(tls.VersionTLS13), state.Version)
		require.Equal(t, tls.X25519MLKEM768, state.CurveID)
		require.Equal(t, "http/1.1", state.NegotiatedProtocol)
		require.Equal(t, "spiffe://hospital.example/ca/betonicad", state.PeerCertificates[0].URIs[0].String())
		_, err = c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1)) // whatever comes after the handshake has come
		require.NoError(t, err)
		require.False(t, state.DidResume)
		c.Close()
	}
	conf.MaxVersion = tls.VersionTLS12
	_, err := tls.Dial("tcp", address, conf)
	require.ErrorContains(t, err, "protocol version")
}

// A header that is larger than any of ours is refused before it is read.
func TestHeaderLimit(t *testing.T) {
	f := newServer(t, nil)
	resp, _ := f.do(f.client(), http.MethodGet, f.urls.https+"/", http.Header{"X-Long": {strings.Repeat("x", 24<<10)}}, nil)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
}
