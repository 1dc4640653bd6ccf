package client_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
	"github.com/betonica/betonica/enroll/client/catest"
)

// listen serves h over TLS with own, until the test ends.
func listen(t *testing.T, own tls.Certificate, h http.Handler) string {
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

// The root is taken from whoever has it, by its hash; the trust domain from a
// server that proved to be the CA.
func TestBootstrap(t *testing.T) {
	ca := catest.New(t)
	trust, err := client.Bootstrap(t.Context(), client.Config{URL: ca.URL}, sha256.Sum256(ca.Root.Raw))
	require.NoError(t, err)
	require.Equal(t, "hospital.example", trust.TrustDomain)
	require.Len(t, trust.Roots, 1)
	require.True(t, ca.Root.Equal(trust.Roots[0]))
}

// First contact with anyone but the CA ends before anything secret is sent:
// such a server sees one or two requests for the root, and no more.
func TestBootstrapStranger(t *testing.T) {
	issuer, other := catest.NewIssuer(t, "hospital.example"), catest.NewIssuer(t, "hospital.example")
	rootOf := func(i *catest.Issuer) string { return catest.PEM(i.Root) }
	for _, tt := range []struct {
		name   string
		server tls.Certificate
		answer string
	}{
		{"another root", issuer.Certificate(t, "ca/a", nil), rootOf(other)},
		{"no root", issuer.Certificate(t, "ca/a", nil), "nothing"},
		{"empty", issuer.Certificate(t, "ca/a", nil), ""},
		// Anyone can fetch the true root and hand it on.
		{"our root, server of another", other.Certificate(t, "ca/a", nil), rootOf(issuer)},
		{"our root, server is a device of ours", issuer.Certificate(t, "device/SN-1", nil), rootOf(issuer)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := listen(t, tt.server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasPrefix(r.URL.Path, api.PathRoots) || r.Header.Get("Authorization") != "" {
					t.Errorf("a stranger got %s %s", r.Method, r.URL)
				}
				io.WriteString(w, tt.answer)
			}))
			_, err := client.Bootstrap(t.Context(), client.Config{URL: url}, sha256.Sum256(issuer.Root.Raw))
			require.ErrorIs(t, err, client.ErrNotCA)
		})
	}
}

// A fingerprint of something that is no CA certificate gives no trust.
func TestBootstrapNoCA(t *testing.T) {
	issuer := catest.NewIssuer(t, "hospital.example")
	own := issuer.Certificate(t, "ca/a", nil)
	url := listen(t, own, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(own.Leaf.Raw) }))
	_, err := client.Bootstrap(t.Context(), client.Config{URL: url}, sha256.Sum256(own.Leaf.Raw))
	require.ErrorIs(t, err, client.ErrNotCA)
	require.ErrorContains(t, err, "not a CA's")
}

// Only a certificate of the role ca, of our trust domain, for servers, in time,
// under a pinned root, makes a server our CA; what it is called in DNS does not
// matter.
func TestTrust(t *testing.T) {
	issuer, other := catest.NewIssuer(t, "hospital.example"), catest.NewIssuer(t, "hospital.example")
	trust := client.Trust{Roots: []*x509.Certificate{issuer.Root}, TrustDomain: "hospital.example"}
	uri := func(text ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.URIs = uris(t, text...) }
	}
	for _, tt := range []struct {
		name   string
		server tls.Certificate
		ok     bool
	}{
		{"the CA", issuer.Certificate(t, "ca/a", nil), true},
		{"a replica of it", issuer.Certificate(t, "ca/b.icu", nil), true},
		{"device", issuer.Certificate(t, "device/a", nil), false},
		{"longer role", issuer.Certificate(t, "cat/a", nil), false},
		{"no name", issuer.Certificate(t, "ca", nil), false},
		{"empty name", issuer.Certificate(t, "ca/", nil), false},
		{"three segments", issuer.Certificate(t, "ca/a/b", nil), false},
		{"other trust domain", issuer.Certificate(t, "", uri("spiffe://other.example/ca/a")), false},
		{"suffix of a trust domain", issuer.Certificate(t, "", uri("spiffe://hospital.example.evil/ca/a")), false},
		{"port", issuer.Certificate(t, "", uri("spiffe://hospital.example:1/ca/a")), false},
		{"user", issuer.Certificate(t, "", uri("spiffe://hospital.example@x/ca/a")), false},
		{"query", issuer.Certificate(t, "", uri("spiffe://hospital.example/ca/a?b")), false},
		{"fragment", issuer.Certificate(t, "", uri("spiffe://hospital.example/ca/a#b")), false},
		{"escaped slash", issuer.Certificate(t, "", uri("spiffe://hospital.example/ca%2Fa")), false},
		{"https", issuer.Certificate(t, "", uri("https://hospital.example/ca/a")), false},
		{"two URIs", issuer.Certificate(t, "", uri("spiffe://hospital.example/device/a", "spiffe://hospital.example/ca/a")), false},
		{"two URIs, ours first", issuer.Certificate(t, "", uri("spiffe://hospital.example/ca/a", "spiffe://hospital.example/device/a")), false},
		{"DNS only", issuer.Certificate(t, "", func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"127.0.0.1"} }), false},
		{"expired", issuer.Certificate(t, "ca/a", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), false},
		{"for clients", issuer.Certificate(t, "ca/a", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), false},
		{"of another root", other.Certificate(t, "ca/a", nil), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := false
			url := listen(t, tt.server, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked = true }))
			own := issuer.Certificate(t, "device/SN-1", nil)
			c, err := client.New(client.Config{URL: url, Trust: trust, Certificate: &own})
			require.NoError(t, err)
			defer c.Close()
			err = c.Confirm(t.Context())
			require.Equal(t, tt.ok, asked)
			if tt.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, client.ErrNotCA)
			require.NotErrorIs(t, err, client.ErrUnreachable)
		})
	}
}

// Before the trust domain is known, too, only what reads as one is one.
func TestFirstContactName(t *testing.T) {
	issuer := catest.NewIssuer(t, "hospital.example")
	own := issuer.Certificate(t, "", func(c *x509.Certificate) { c.URIs = uris(t, "spiffe://hospital.example:1/ca/a") })
	url := listen(t, own, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, catest.PEM(issuer.Root)) }))
	_, err := client.Bootstrap(t.Context(), client.Config{URL: url}, sha256.Sum256(issuer.Root.Raw))
	require.ErrorIs(t, err, client.ErrNotCA)
}

// A machine whose clock is wrong is told so, with both times.
func TestWrongClock(t *testing.T) {
	ca := catest.New(t)
	long := func() time.Time { return time.Date(1970, 1, 1, 0, 0, 7, 0, time.UTC) }
	conf := client.Config{URL: ca.URL, Trust: client.Trust{Now: long}}
	_, err := client.Bootstrap(t.Context(), conf, sha256.Sum256(ca.Root.Raw))
	require.ErrorIs(t, err, client.ErrNotCA)
	require.ErrorContains(t, err, "this machine's clock says 1970-01-01T00:00:07Z")
}

// A machine that knows its clock to be wrong, and no more than that some time has
// come, takes the CA's word for the time: of whoever shows the pinned root's
// certificates, which did not end before that time, and of nobody before that is
// shown.
func TestNoClock(t *testing.T) {
	ca := catest.New(t)
	zero := func() time.Time { return time.Unix(7, 0) }
	var heard []time.Time
	conf := client.Config{
		URL: ca.URL, Trust: client.Trust{Now: zero, Earliest: time.Now().Add(-24 * time.Hour)}, Heard: func(at time.Time) { heard = append(heard, at) },
	}
	_, err := client.Bootstrap(t.Context(), conf, sha256.Sum256(ca.Root.Raw))
	require.NoError(t, err)
	require.Len(t, heard, 1)
	require.WithinDuration(t, time.Now(), heard[0], time.Minute)

	conf.Trust.Earliest = ca.Root.NotAfter.Add(time.Minute) // what ended before is over for good
	_, err = client.Bootstrap(t.Context(), conf, sha256.Sum256(ca.Root.Raw))
	require.ErrorIs(t, err, client.ErrNotCA)

	// The pin holds whatever the clock says.
	conf.Trust.Earliest = time.Unix(1, 0)
	other := catest.New(t)
	conf.URL = other.URL
	_, err = client.Bootstrap(t.Context(), conf, sha256.Sum256(ca.Root.Raw))
	require.Error(t, err)
	conf.Trust.Roots = []*x509.Certificate{ca.Root}
	c, err := client.New(conf)
	require.NoError(t, err)
	require.ErrorIs(t, c.Confirm(t.Context()), client.ErrNotCA)
	require.Len(t, heard, 1)
}

// A URL that could carry more than an address is refused before it is used.
func TestURL(t *testing.T) {
	trust := client.Trust{Roots: []*x509.Certificate{catest.NewIssuer(t, "a").Root}}
	for _, url := range []string{"", "ca.example", "http://ca.example", "https://", "https://user:pw@ca.example", "https://ca.example/path", "https://ca.example?x=1", "https://ca.example#x", "unix:///x", "https://%zz"} {
		_, err := client.New(client.Config{URL: url, Trust: trust})
		require.Error(t, err, url)
	}
	_, err := client.New(client.Config{URL: "https://ca.example/"})
	require.ErrorContains(t, err, "no pinned root")
}

// Nobody there, and somebody who hangs up, are both ErrUnreachable.
func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "https://" + ln.Addr().String()
	go func() {
		if conn, err := ln.Accept(); err == nil {
			conn.Close()
		}
	}()
	_, err = client.Bootstrap(t.Context(), client.Config{URL: url}, [32]byte{})
	require.ErrorIs(t, err, client.ErrUnreachable)
	ln.Close()
	_, err = client.Bootstrap(t.Context(), client.Config{URL: url}, [32]byte{})
	require.ErrorIs(t, err, client.ErrUnreachable)
}
