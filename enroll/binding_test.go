package enroll_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// bindingPolicy has a role with names of its own, wildcards and addresses, and one
// that accounts without binding can be of.
const bindingPolicy = `
[role.device]
dns = ["{name}.devices.example", "*.ward.example"]
ip = ["10.0.0.0/8"]

[role.web]
names = ["*.web.example", "10.*.*.*"]
dns = ["*.web.example"]
ip = ["10.0.0.0/8"]

[role.closed]
names = ["*.web.example"]
methods = ["token"]
`

// What an order of a bound account is for is the account's identity, and what that
// would get by its token needs no challenge: neither more nor less.
func TestBindingOfBoundAccount(t *testing.T) {
	c := enrolltest.New(t)
	setPolicy(t, c, bindingPolicy)
	a := bind(t, c, eab(c, "device", "pump-1"))
	_, err := c.CreateIdentity(t.Context(), enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "pump-2", DNSNames: []string{"a.ward.example"}})
	require.NoError(t, err)
	recorded := bind(t, c, eab(c, "device", "pump-2"))
	for _, tt := range []struct {
		a       *client
		id      store.OrderIdentifier
		covered bool
		refused string
	}{
		{a, dns("pump-1.devices.example"), true, ""},
		{a, dns("x.ward.example"), true, ""},
		{a, ip("10.1.2.3"), true, ""},
		{a, dns("*.ward.example"), false, ""},
		{a, permanent("pump-1"), false, ""},
		{a, dns("pump-2.devices.example"), false, "not covered"},
		{a, dns("*.devices.example"), false, "not covered"},
		{a, dns("*.x.ward.example"), false, "not covered"},
		{a, ip("192.0.2.1"), false, "not covered"},
		{a, ip("pump"), false, "pump"},
		{a, permanent("pump-2"), false, "another device's"},
		{a, store.OrderIdentifier{Identifier: store.Identifier{Type: "email", Value: "a@b"}}, false, "type"},
		{recorded, dns("a.ward.example"), true, ""},
		{recorded, dns("b.ward.example"), false, ""},
		{recorded, ip("10.1.2.3"), false, ""},
		{recorded, dns("pump-1.devices.example"), false, "not covered"},
	} {
		b, err := c.Binding(t.Context(), tt.a.held(), "", "web", []store.OrderIdentifier{tt.id}, home)
		if tt.refused != "" {
			refused, ok := errors.AsType[*enroll.IdentifierError](err)
			require.True(t, ok, "%v: %v", tt.id, err)
			require.Equal(t, tt.id, refused.Identifier)
			require.Contains(t, refused.Reason, tt.refused)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.a.acc.Identity, b.Path())
		require.Equal(t, "device", b.Role())
		require.Equal(t, tt.covered, b.Covered(tt.id), "%v", tt.id)
	}

	// Each of several is told, and they are one refusal on record.
	before := len(c.Audit("acme.refuse"))
	_, err = c.Binding(t.Context(), a.held(), "device", "", []store.OrderIdentifier{dns("x.example"), dns("y.ward.example"), dns("z.example")}, home)
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Len(t, joined.Unwrap(), 2)
	refusals := c.Audit("acme.refuse")
	require.Len(t, refusals, before+1)
	require.Equal(t, "device/pump-1", refusals[before].Actor)
	require.True(t, strings.HasSuffix(refusals[before].Outcome, ", and 1 more"), refusals[before].Outcome)

	_, err = c.Binding(t.Context(), a.held(), "web", "", []store.OrderIdentifier{dns("x.ward.example")}, home)
	profile, ok := errors.AsType[*enroll.ProfileError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "web", profile.Profile)
}

// An order of an account without binding is for the identity that its first
// identifier names in a role that machines may be of; nothing in it goes without a
// challenge.
func TestBindingOfUnboundAccount(t *testing.T) {
	c := enrolltest.New(t)
	setPolicy(t, c, bindingPolicy)
	a := unbound(t, c)
	for _, tt := range []struct {
		profile, role string
		ids           []store.OrderIdentifier
		path          string // empty: refused
	}{
		{"", "web", []store.OrderIdentifier{dns("a.web.example")}, "web/a.web.example"},
		{"web", "", []store.OrderIdentifier{dns("*.web.example")}, ""}, // nobody may be called web.example
		{"web", "", []store.OrderIdentifier{dns("b.web.example"), dns("*.web.example"), ip("10.0.0.1")}, "web/b.web.example"},
		{"web", "", []store.OrderIdentifier{ip("10.0.0.1")}, "web/10.0.0.1"},
		{"device", "web", []store.OrderIdentifier{permanent("pump-1")}, "device/pump-1"},
		{"", "", []store.OrderIdentifier{dns("a.web.example")}, ""},
		{"nobody", "web", []store.OrderIdentifier{dns("a.web.example")}, ""},
		{"ca", "web", []store.OrderIdentifier{dns("a.web.example")}, ""},
		{"admin", "web", []store.OrderIdentifier{permanent("mary")}, ""},
		{"closed", "web", []store.OrderIdentifier{dns("a.web.example")}, ""},
		{"", "web", []store.OrderIdentifier{dns("a.example")}, ""},
		{"", "web", []store.OrderIdentifier{dns("a.web.example"), dns("a.example")}, ""},
		{"", "web", nil, ""},
	} {
		b, err := c.Binding(t.Context(), a.held(), tt.profile, tt.role, tt.ids, home)
		if tt.path == "" {
			require.Error(t, err, "%+v", tt)
			continue
		}
		require.NoError(t, err, "%+v", tt)
		require.Equal(t, tt.path, b.Path())
		for _, id := range tt.ids {
			require.False(t, b.Covered(id))
		}
	}
	// One that is on record must be active.
	eab(c, "web", "c.web.example")
	denied(t, func() error {
		_, err := c.Binding(t.Context(), a.held(), "", "web", []store.OrderIdentifier{dns("c.web.example")}, home)
		return err
	})
	// Strangers' refusals go through the queue, which nobody empties any more.
	c.Stop()
	before := len(c.Audit("acme.refuse"))
	require.Positive(t, before)
	_, err := c.Binding(t.Context(), a.held(), "nobody", "", []store.OrderIdentifier{dns("a.web.example")}, home)
	require.Error(t, err)
	require.Len(t, c.Audit("acme.refuse"), before)
}

// An account that has ended, or whose token or identity has, orders nothing.
func TestBindingOfEndedAccount(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, a *client){
		"deactivated": func(t *testing.T, a *client) { require.NoError(t, a.DeactivateAccount(t.Context(), a.acc, home)) },
		"token revoked": func(t *testing.T, a *client) {
			require.NoError(t, a.RevokeToken(t.Context(), enrolltest.Root, *a.acc.Token))
		},
		"suspended": func(t *testing.T, a *client) {
			_, err := a.Suspend(t.Context(), enrolltest.Root, a.acc.Identity)
			require.NoError(t, err)
		},
		"revoked": func(t *testing.T, a *client) { revokeIdentity(t, a.CA, a.acc.Identity) },
		"method gone": func(t *testing.T, a *client) {
			setPolicy(t, a.CA, "[role.device]\nmethods = ['token']\ndns = ['{name}.devices.example']")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := enrolltest.New(t)
			a := bind(t, c, eab(c, "device", "pump-1"))
			end(t, a)
			denied(t, func() error {
				_, err := a.Binding(t.Context(), a.held(), "", "", []store.OrderIdentifier{dns("pump-1.devices.example")}, home)
				return err
			})
		})
	}
	c := enrolltest.New(t)
	a := unbound(t, c)
	require.NoError(t, c.DeactivateAccount(t.Context(), a.acc, home))
	denied(t, func() error {
		_, err := c.Binding(t.Context(), a.held(), "", "device", []store.OrderIdentifier{permanent("pump-1")}, home)
		return err
	})
}

// What an account is refused is on record sixty times a minute, and not as often as it likes.
func TestAccountRefusedAgainAndAgain(t *testing.T) {
	c := enrolltest.New(t)
	a := bind(t, c, eab(c, "device", "pump-1"))
	c.Stop() // the queue of strangers is not served any more
	refused := func() {
		_, err := c.Binding(t.Context(), a.held(), "web", "", []store.OrderIdentifier{dns("x.ward.example")}, home)
		require.Error(t, err)
	}
	before := len(c.Audit("acme.refuse"))
	for range 70 {
		refused()
	}
	require.Len(t, c.Audit("acme.refuse"), before+60)
	c.Advance(time.Minute)
	refused()
	require.Len(t, c.Audit("acme.refuse"), before+61)
}
