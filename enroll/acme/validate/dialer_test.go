package validate_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/validate"
)

// Without a list, validation goes anywhere but to this host and to what nobody
// listens at in good faith; with one, only there.
func TestAllowNetworks(t *testing.T) {
	for _, tt := range []struct {
		allow string // one prefix, or none
		addr  string
		want  bool
	}{
		{"", "192.0.2.1", true},
		{"", "10.0.0.1", true},
		{"", "2001:db8::1", true},
		{"", "fd00::1", true},
		{"", "127.0.0.1", false},
		{"", "127.9.9.9", false},
		{"", "::1", false},
		{"", "169.254.169.254", false},
		{"", "fe80::1", false},
		{"", "224.0.0.1", false},
		{"", "ff02::1", false},
		{"", "0.0.0.0", false},
		{"", "0.1.2.3", false},
		{"", "::", false},
		{"", "255.255.255.255", false},
		{"", "240.0.0.1", false},
		{"", "::127.0.0.1", false},
		{"", "64:ff9b::127.0.0.1", false},
		{"", "64:ff9b:1::127.0.0.1", false},
		{"", "2001::1", false},
		{"", "2002:7f00:1::", false},
		{"", "fd00::1%eth0", false},
		{"10.0.0.0/8", "10.1.1.1", true},
		{"10.0.0.0/8", "11.1.1.1", false},
		{"10.0.0.0/8", "2001:db8::1", false},
		{"127.0.0.0/8", "127.0.0.1", true},
		{"fe80::/10", "fe80::1", true},
		{"fe80::/10", "fe80::1%eth0", false},
	} {
		var c validate.Config
		if tt.allow != "" {
			c.AllowNetworks = []netip.Prefix{netip.MustParsePrefix(tt.allow)}
		}
		v, err := validate.New(c)
		require.NoError(t, err)
		require.Equal(t, tt.want, v.Allowed(netip.MustParseAddr(tt.addr)), "%s in %q", tt.addr, tt.allow)
	}
}

// Nothing is sent to where validation may not connect, by whatever name, and
// whatever the challenge.
func TestForbidden(t *testing.T) {
	s := newSite(t, answer(200, keyAuth))
	s.host("inside.test.", "127.0.0.2")
	s.host("mapped.test.", "::ffff:127.0.0.2")
	for _, id := range []string{"127.0.0.2", "inside.test", "mapped.test"} {
		for _, kind := range []string{validate.HTTP01, validate.TLSALPN01} {
			requireError(t, validate.KindConnection, s.validate(t, kind, id))
		}
	}
	// Nor to this host itself, unless it is listed.
	s.config.AllowNetworks = nil
	for _, id := range []string{"127.0.0.1", "127.0.0.2", "inside.test", name} {
		requireError(t, validate.KindConnection, s.validate(t, validate.HTTP01, id))
	}
	require.Zero(t, s.forbidden.Load())
}

// A name that changes its address between the check and the connection gains
// nothing: what was checked is what is dialled. At a redirect it is checked anew.
func TestRebinding(t *testing.T) {
	inside := netip.MustParseAddr("127.0.0.2")
	t.Run("second answer", func(t *testing.T) {
		s := newSite(t, answer(200, keyAuth))
		s.turn("turning.test.", netip.MustParseAddr("127.0.0.1"), inside, inside, inside)
		require.NoError(t, s.validate(t, validate.HTTP01, "turning.test"))
		require.Equal(t, 3, s.left("turning.test.")) // asked once
		require.Zero(t, s.forbidden.Load())
	})
	t.Run("one of two answers", func(t *testing.T) {
		s := newSite(t, answer(200, keyAuth))
		s.host("both.test.", "127.0.0.2", "127.0.0.1")
		require.NoError(t, s.validate(t, validate.HTTP01, "both.test"))
		require.Zero(t, s.forbidden.Load())
	})
	t.Run("at a redirect to itself", func(t *testing.T) {
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/again", http.StatusFound)
		}))
		s.turn("turning.test.", netip.MustParseAddr("127.0.0.1"), inside, inside)
		requireError(t, validate.KindConnection, s.validate(t, validate.HTTP01, "turning.test"))
		require.Zero(t, s.forbidden.Load())
	})
}

// localhost is the loopback, whatever the resolver says, and is allowed where that is.
func TestLocalhost(t *testing.T) {
	s := newSite(t, answer(200, keyAuth))
	s.host("localhost.", "127.0.0.2")
	require.NoError(t, s.validate(t, validate.HTTP01, "localhost"))
	require.Zero(t, s.forbidden.Load())
	s.config.AllowNetworks = nil
	requireError(t, validate.KindConnection, s.validate(t, validate.HTTP01, "localhost"))
}

// IPv6 comes first, IPv4 is there when it does not answer, and no name makes us
// knock at many doors.
func TestAddresses(t *testing.T) {
	s := newSite(t, answer(200, keyAuth))
	s.host("dual.test.", "::1", "127.0.0.1") // nobody listens at ::1
	require.NoError(t, s.validate(t, validate.HTTP01, "dual.test"))

	addr := netip.MustParseAddr
	v, err := validate.New(validate.Config{})
	require.NoError(t, err)
	require.Equal(t,
		[]netip.Addr{addr("2001:db8::1"), addr("2001:db8::2"), addr("192.0.2.1"), addr("192.0.2.2")},
		v.Candidates(addr("192.0.2.1"), addr("127.0.0.1"), addr("::ffff:192.0.2.2"), addr("2001:db8::1"), addr("192.0.2.3"), addr("2001:db8::2"), addr("2001:db8::3")))

	s.config.AllowNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s.host("third.test.", "127.0.0.3", "127.0.0.4", "127.0.0.1")
	e := requireError(t, validate.KindConnection, s.validate(t, validate.HTTP01, "third.test"))
	require.Equal(t, "the connection was refused", e.Detail)
}

// A name that does not resolve is the resolver's word, and says so.
func TestUnresolved(t *testing.T) {
	s := newSite(t, answer(200, keyAuth))
	for _, kind := range []string{validate.HTTP01, validate.TLSALPN01} {
		requireError(t, validate.KindDNS, s.validate(t, kind, "nobody.test"))
	}
}

// When the caller goes, nothing was learnt, and the challenge has not failed.
func TestCanceled(t *testing.T) {
	s := newSite(t, answer(200, keyAuth))
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	for _, kind := range []string{validate.HTTP01, validate.DNS01, validate.TLSALPN01} {
		require.ErrorIs(t, s.validator(t).Validate(ctx, challenge(kind, name)), gone)
	}
}

// What cannot be a challenge is the caller's mistake: nobody is asked, and no
// client is told that it failed.
func TestNoChallenge(t *testing.T) {
	s := newSite(t, answer(200, keyAuth))
	wildcard := challenge(validate.HTTP01, name)
	wildcard.Wildcard = true
	wildcardALPN := challenge(validate.TLSALPN01, name)
	wildcardALPN.Wildcard = true
	path := challenge(validate.HTTP01, name)
	path.Token, path.KeyAuthorization = "../../x", "../../x.y"
	other := challenge(validate.HTTP01, name)
	other.Token = "other"
	empty := challenge(validate.DNS01, name)
	empty.Token, empty.KeyAuthorization = "", ""
	for _, c := range []validate.Challenge{
		challenge("http-02", name), challenge(validate.DNS01, "127.0.0.1"), challenge(validate.HTTP01, "*.test"),
		challenge(validate.HTTP01, ""), challenge(validate.HTTP01, "www.test:80"), challenge(validate.HTTP01, "a/b"),
		challenge(validate.HTTP01, "www.test."), challenge(validate.HTTP01, "fe80::1%lo"), challenge(validate.HTTP01, "::ffff:127.0.0.1"),
		wildcard, wildcardALPN, path, other, empty,
	} {
		err := s.validator(t).Validate(t.Context(), c)
		require.Error(t, err, c)
		var e *validate.Error
		require.False(t, errors.As(err, &e), c)
	}
}

// What cannot be meant is refused at the start.
func TestNew(t *testing.T) {
	for _, c := range []validate.Config{
		{HTTPPort: -1}, {HTTPPort: 65536}, {TLSALPNPort: 65536}, {Resolver: "192.0.2.1"}, {Resolver: ":53"}, {Resolver: "192.0.2.1:"},
		{AllowNetworks: []netip.Prefix{{}}}, {AllowNetworks: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
	} {
		_, err := validate.New(c)
		require.Error(t, err, c)
	}
}
