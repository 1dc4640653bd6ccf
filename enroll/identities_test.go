package enroll_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// An identity that is put on record has the names that were given, in the form in
// which they are compared, and its certificate has them and no others.
func TestCreateIdentity(t *testing.T) {
	c := enrolltest.New(t)
	id, err := c.CreateIdentity(t.Context(), enrolltest.Root, enroll.IdentityRequest{
		Role: "device", Name: "pump-1", Owner: "icu", DNSNames: []string{"Pump-1.Devices.Example", "pump-1.devices.example"},
	})
	require.NoError(t, err)
	require.Equal(t, store.Pending, id.State)
	require.Equal(t, []string{"pump-1.devices.example"}, id.DNSNames)
	require.Len(t, c.Audit("identity.create"), 1)
	_, err = c.CreateIdentity(t.Context(), enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "pump-1"})
	require.ErrorIs(t, err, store.ErrExists)

	cert := enrolled(t, c, "device", "pump-1")
	require.Equal(t, []string{"pump-1.devices.example"}, cert.DNSNames)
}

// What cannot be an identity is not put on record.
func TestCreateIdentityRefuses(t *testing.T) {
	c := enrolltest.New(t)
	var bad *api.BadRequestError
	var denied *ca.DeniedError
	for _, tt := range []struct {
		name string
		by   enroll.Actor
		req  enroll.IdentityRequest
		want any
	}{
		{"no role", enrolltest.Root, enroll.IdentityRequest{Name: "a"}, &denied},
		{"no name", enrolltest.Root, enroll.IdentityRequest{Role: "device"}, &denied},
		{"the CA's own role", enrolltest.Root, enroll.IdentityRequest{Role: "ca", Name: "a"}, &denied},
		{"privileged, not root", enroll.Actor{Name: "operator/al"}, enroll.IdentityRequest{Role: "admin", Name: "a"}, &denied},
		{"wildcard", enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "a", DNSNames: []string{"*.example"}}, &bad},
		{"zone", enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "a", IPs: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}}, &bad},
		{"an owner that breaks lines", enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "a", Owner: "icu\ndevice/b  active"}, &bad},
		{"an owner of great length", enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "a", Owner: strings.Repeat("x", 257)}, &bad},
		{"no address", enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "a", IPs: make([]netip.Addr, 1)}, &bad},
	} {
		_, err := c.CreateIdentity(t.Context(), tt.by, tt.req)
		require.ErrorAs(t, err, tt.want, tt.name)
	}
	require.Empty(t, c.Audit("identity.create"))
}

// The states of an identity, and what each move is refused from.
func TestStates(t *testing.T) {
	c := enrolltest.New(t)
	var conflict *enroll.ConflictError
	var denied *ca.DeniedError
	_, err := c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.ErrorIs(t, err, store.ErrNotFound)
	cert := enrolled(t, c, "device", "pump-1")
	replace := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})

	_, err = c.Resume(t.Context(), enrolltest.Root, "device/pump-1")
	require.ErrorAs(t, err, &conflict)
	id, err := c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	require.Equal(t, store.Suspended, id.State)
	_, err = c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.ErrorAs(t, err, &conflict)
	_, err = c.CreateToken(t.Context(), enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})
	require.ErrorAs(t, err, &conflict)
	_, err = c.Enroll(t.Context(), replace, home, newCSR(t))
	require.ErrorAs(t, err, &denied)
	require.ErrorContains(t, err, "suspended")
	_, err = renew(t, c, cert, newCSR(t))
	require.ErrorAs(t, err, &denied)
	_, err = c.Resume(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)

	id, err = c.Retire(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	require.Equal(t, store.Retired, id.State)
	_, err = c.Enroll(t.Context(), replace, home, newCSR(t))
	require.Equal(t, enroll.ErrUnauthenticated, err, "its tokens went with it")
	_, err = renew(t, c, cert, newCSR(t))
	require.ErrorAs(t, err, &denied)
	_, err = c.Resume(t.Context(), enrolltest.Root, "device/pump-1")
	require.ErrorAs(t, err, &conflict)

	for _, action := range []string{"identity.suspend", "identity.resume", "identity.retire"} {
		require.Len(t, c.Audit(action), 1, action)
	}
}

// Nobody but root on the host moves an administrator, and nobody the CA itself.
func TestPrivilegedStates(t *testing.T) {
	c := enrolltest.New(t)
	enrolled(t, c, "admin", "mary")
	_, err := c.Self(t.Context(), "ca-1", []string{"ca.hospital.example"}, nil)
	require.NoError(t, err)
	var denied *ca.DeniedError
	_, err = c.Suspend(t.Context(), enroll.Actor{Name: "operator/al"}, "admin/mary")
	require.ErrorAs(t, err, &denied)
	_, err = c.Suspend(t.Context(), enrolltest.Root, "ca/ca-1")
	require.ErrorAs(t, err, &denied)
	_, err = c.Suspend(t.Context(), enrolltest.Root, "admin/mary")
	require.NoError(t, err)
	require.Len(t, c.Audit("admin.refuse"), 2)
}

// A DNS name belongs to one identity, until that one is retired.
func TestNamesAreReserved(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\ndns = [\"*.devices.example\"]"), enroll.AnyVersion)
	require.NoError(t, err)
	key := enrolltest.NewKey(t)
	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "a"}), home, dnsCSR(t, key, "x.devices.example"))
	require.NoError(t, err)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "b"})
	csr := dnsCSR(t, enrolltest.NewKey(t), "x.devices.example")
	_, err = c.Enroll(t.Context(), token, home, csr)
	require.ErrorIs(t, err, store.ErrNameTaken)
	require.Len(t, c.Audit("certificate.refuse"), 1)

	_, err = c.Retire(t.Context(), enrolltest.Root, "device/a")
	require.NoError(t, err)
	_, err = c.Enroll(t.Context(), token, home, csr)
	require.NoError(t, err)
}
