package validate_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/validate"
)

// Who serves the key authorization at the name or the address, has it, with or
// without white space at the end (RFC 8555, Section 8.3; RFC 8738, Section 4).
func TestHTTP01(t *testing.T) {
	var host atomic.Value
	s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host.Store(r.Host)
		answer(200, keyAuth+" \t\r\n").ServeHTTP(w, r)
	}))
	require.NoError(t, s.validate(t, validate.HTTP01, name))
	require.Equal(t, name, host.Load())
	require.NoError(t, s.validate(t, validate.HTTP01, "127.0.0.1"))
	require.Equal(t, "127.0.0.1", host.Load())
}

// What is not the key authorization, shows nothing, and is not repeated.
func TestHTTP01Answers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
	}{
		{"error", 500, keyAuth},
		{"not found", 404, secret},
		{"no content", 204, ""},
		{"partial", 206, keyAuth},
		{"redirect to nowhere", 302, keyAuth},
		{"another account's", 200, token + "." + secret},
		{"another token's", 200, "x" + keyAuth},
		{"only the token", 200, token},
		{"white space before", 200, " " + keyAuth},
		{"more after", 200, keyAuth + "\n" + secret},
		{"nothing", 200, ""},
		{"much white space", 200, keyAuth + strings.Repeat(" ", 1024)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, answer(tt.status, tt.body))
			requireError(t, validate.KindIncorrectResponse, s.validate(t, validate.HTTP01, name))
		})
	}
}

// Redirects are followed, ten of them, to http and https, by name and relative;
// the certificate of an https server is nobody's concern.
func TestHTTP01Redirects(t *testing.T) {
	for _, tt := range []struct {
		name string
		to   string // of the first redirect
		n    int    // redirects
		kind string // "" for success
	}{
		{"relative", "/1", 1, ""},
		{"to https", "https://www.test/1", 1, ""},
		{"to https and its port", "https://www.test:{tls}/1", 1, ""},
		{"to another name", "http://other.test:{http}/1", 1, ""},
		{"ten", "/1", 10, ""},
		{"eleven", "/1", 11, validate.KindConnection},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s *site
			s = newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := 0
				_, _ = fmt.Sscanf(r.URL.Path, "/%d", &n)
				switch {
				case n == tt.n:
					_, _ = io.WriteString(w, keyAuth)
				case n == 0:
					w.Header().Set("Location", strings.NewReplacer("{http}", fmt.Sprint(s.config.HTTPPort), "{tls}", fmt.Sprint(s.config.TLSALPNPort)).Replace(tt.to))
					w.WriteHeader(http.StatusFound)
				default:
					http.Redirect(w, r, fmt.Sprintf("/%d", n+1), http.StatusMovedPermanently)
				}
			}))
			s.host("other.test.", "127.0.0.1")
			err := s.validate(t, validate.HTTP01, name)
			if tt.kind == "" {
				require.NoError(t, err)
				return
			}
			requireError(t, tt.kind, err)
		})
	}
}

// A redirect leads nowhere that the name itself might not: no other network, port
// or scheme, and it cannot give us credentials to show.
func TestHTTP01RedirectsRefused(t *testing.T) {
	for _, to := range []string{
		"http://127.0.0.2/" + secret,
		"https://127.0.0.2/",
		"http://inside.test/" + secret,
		"http://[::ffff:127.0.0.2]/",
		"http://[::1%25lo]/",
		"http://[fe80::1]/",
		"http://0.0.0.0/",
		"http://www.test:22/" + secret,
		"http://www.test:{tls}/",
		"https://www.test:{http}/",
		"ftp://www.test/",
		"file:///etc/passwd",
		"gopher://" + secret,
		"http:///" + secret,
		"http:" + secret,
	} {
		t.Run(to, func(t *testing.T) {
			var s *site
			s = newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != path { // who follows it, is content
					_, _ = io.WriteString(w, keyAuth)
					return
				}
				w.Header().Set("Location", strings.NewReplacer("{http}", fmt.Sprint(s.config.HTTPPort), "{tls}", fmt.Sprint(s.config.TLSALPNPort)).Replace(to))
				w.WriteHeader(http.StatusTemporaryRedirect)
			}))
			s.host("inside.test.", "127.0.0.2")
			var e *validate.Error
			require.ErrorAs(t, s.validate(t, validate.HTTP01, name), &e)
			requireError(t, e.Kind, e)
			require.Contains(t, []string{validate.KindConnection, validate.KindIncorrectResponse}, e.Kind)
			require.Zero(t, s.forbidden.Load())
		})
	}
	t.Run("credentials", func(t *testing.T) {
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == path:
				http.Redirect(w, r, "http://admin:password@www.test/open", http.StatusFound)
			case r.Header.Get("Authorization") == "" && r.Referer() == "":
				_, _ = io.WriteString(w, keyAuth)
			}
		}))
		require.NoError(t, s.validate(t, validate.HTTP01, name))
	})
}

// A server that means harm costs a bounded time and a bounded number of bytes.
func TestHTTP01Hostile(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name, first, again string // sent once, and then over and over
		kind               string
	}{
		{"garbage", "\x16\x03\x01" + secret + "\r\n\r\n", "", validate.KindConnection},
		{"nothing", "", "", validate.KindConnection},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", validate.KindConnection},
		{"endless status", "HTTP/1.1 ", "2", validate.KindConnection},
		{"endless header", head, "X-A: " + secret + "\r\n", validate.KindConnection},
		{"endless body", head + "\r\n", keyAuth, validate.KindIncorrectResponse},
		{"endless white space", head + "\r\n" + keyAuth, " ", validate.KindIncorrectResponse},
		{"endless chunks", head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", validate.KindIncorrectResponse},
		{"endless chunk extension", head + "Transfer-Encoding: chunked\r\n\r\n1;", "x", validate.KindConnection},
		{"endless early hints", "", "HTTP/1.1 103 Early Hints\r\n\r\n", validate.KindIncorrectResponse},
		{"a body cut short", head + "Content-Length: 500\r\n\r\n" + keyAuth, "", validate.KindConnection},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			var sent atomic.Int64
			s.config.HTTPPort = listen(t, func(conn net.Conn) {
				readRequest(conn)
				_, err := io.WriteString(conn, tt.first)
				for chunk := strings.Repeat(tt.again, 1000); tt.again != "" && err == nil; {
					var n int
					n, err = io.WriteString(conn, chunk)
					sent.Add(int64(n))
				}
			})
			requireError(t, tt.kind, s.validate(t, validate.HTTP01, name))
			require.Less(t, sent.Load(), int64(16<<20)) // what both kernels hold
		})
	}
	t.Run("one early hint", func(t *testing.T) {
		s := newSite(t, nil)
		s.config.HTTPPort = listen(t, func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\n"+head+"\r\n"+keyAuth)
		})
		require.NoError(t, s.validate(t, validate.HTTP01, name))
	})
}

// A server that takes its time is left, wherever it stalls.
func TestHTTP01Slow(t *testing.T) {
	for _, first := range []string{"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\n\r\n" + keyAuth[:9]} {
		s := newSite(t, nil)
		s.config.HTTPPort = listen(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, first)
			_, _ = io.Copy(io.Discard, conn) // until the other side leaves
		})
		v := s.validator(t)
		v.Hurry(time.Minute, 500*time.Millisecond)
		requireError(t, validate.KindConnection, v.Validate(t.Context(), challenge(validate.HTTP01, name)))
	}
	// The whole validation is bounded too, though each connection is quick.
	s := newSite(t, nil)
	v := s.validator(t)
	v.Hurry(0, time.Minute)
	var e *validate.Error
	require.ErrorAs(t, v.Validate(t.Context(), challenge(validate.HTTP01, name)), &e)
	require.Contains(t, e.Detail, "in time")
}

func readRequest(conn net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(conn)) }

// listen serves every connection to a port of 127.0.0.1 with f, and closes it.
func listen(t testing.TB, f func(net.Conn)) (port int) {
	s := httptest.NewUnstartedServer(nil)
	l := s.Listener
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

// challenge returns a challenge of that type for id.
func challenge(kind, id string) validate.Challenge {
	return validate.Challenge{Type: kind, Token: token, KeyAuthorization: keyAuth, Identifier: id}
}
