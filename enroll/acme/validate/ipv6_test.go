package validate_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/validate"
)

// An IPv6 address is validated as an IPv4 address is, and asked for in brackets
// (RFC 8738, Sections 4 and 6).
func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("left out: this host has no IPv6")
	}
	s := newSite(t, nil)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "[::1]" {
			_, _ = io.WriteString(w, keyAuth)
		}
	}))
	require.NoError(t, web.Listener.Close())
	web.Listener = l
	web.Start()
	t.Cleanup(web.Close)
	s.config.HTTPPort = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, s.validate(t, validate.HTTP01, "::1"))
	s.host("six.test.", "::1")
	requireError(t, validate.KindIncorrectResponse, s.validate(t, validate.HTTP01, "six.test"))
}
