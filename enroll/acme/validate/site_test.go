package validate_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/validate"
)

const (
	token   = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
	keyAuth = token + ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
	path    = "/.well-known/acme-challenge/" + token

	name   = "www.test"
	secret = "a-secret-of-the-other-side" // what no error may repeat
)

// A site is a network of loopback addresses: 127.0.0.1, where validation may
// connect, and 127.0.0.2, where it may not; both listen at the same ports.
type site struct {
	*nameserver
	config    validate.Config
	forbidden *atomic.Int64 // connections that 127.0.0.2 has had
}

// newSite returns one whose 127.0.0.1 is www.test, and serves h over http and
// https.
func newSite(t testing.TB, h http.Handler) *site {
	s := &site{nameserver: newNameserver(t), forbidden: new(atomic.Int64)}
	plain := httptest.NewServer(h)
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(h)
	t.Cleanup(secure.Close)
	s.config = validate.Config{
		HTTPPort:      s.guard(t, plain.Listener),
		TLSALPNPort:   s.guard(t, secure.Listener),
		Resolver:      s.addr,
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")},
	}
	s.host(name+".", "127.0.0.1")
	return s
}

// guard listens on 127.0.0.2 at the port that l has on 127.0.0.1, and counts.
func (s *site) guard(t testing.TB, l net.Listener) (port int) {
	port = l.Addr().(*net.TCPAddr).Port
	g, err := net.Listen("tcp", "127.0.0.2:"+strconv.Itoa(port))
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := g.Accept()
			if err != nil {
				return
			}
			s.forbidden.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { g.Close(); <-done })
	return port
}

// validator returns one of the site.
func (s *site) validator(t testing.TB) *validate.Validator {
	v, err := validate.New(s.config)
	require.NoError(t, err)
	return v
}

// validate validates a challenge of that type for id.
func (s *site) validate(t testing.TB, challenge, id string) error {
	return s.validator(t).Validate(context.Background(), validate.Challenge{Type: challenge, Token: token, KeyAuthorization: keyAuth, Identifier: id})
}

// requireError demands an Error of that kind, which repeats nothing of the other
// side's.
func requireError(t testing.TB, kind string, err error) *validate.Error {
	var e *validate.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, e.Detail)
	require.NotContains(t, e.Error(), secret)
	require.NotContains(t, e.Error(), "127.0.0")
	return e
}

// answer returns a handler that says just this, on the challenge's path.
func answer(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.Error(w, secret, http.StatusNotFound)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}
