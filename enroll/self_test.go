package enroll_test

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// The daemon's own certificate comes through the funnel, for the names that its
// configuration gives now, and each one is on record.
func TestSelf(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		first, err := c.Self(t.Context(), "ca-1", []string{"ca.hospital.example", "localhost"}, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
		require.NoError(t, err)
		require.Equal(t, "spiffe://hospital.example/ca/ca-1", first.Leaf.URIs[0].String())
		require.Equal(t, []string{"ca.hospital.example", "localhost"}, first.Leaf.DNSNames)
		require.Len(t, first.Leaf.IPAddresses, 1)
		require.Len(t, first.Certificate, 2)
		second, err := c.Self(t.Context(), "ca-1", []string{"new.hospital.example"}, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"new.hospital.example"}, second.Leaf.DNSNames)
		require.Equal(t, 2, c.Certificates("ca/ca-1"))
		_, err = c.Self(t.Context(), "ca-2", []string{"localhost"}, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
		require.NoError(t, err, "every daemon has its own loopback")
		entries := c.Audit("certificate.issue")
		require.Len(t, entries, 3)
		require.Equal(t, "self", entries[0].Detail["proof"])
	})
}

// Replicas that start at the same moment under one name all get a certificate.
func TestSelfRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		certs := make(chan tls.Certificate, 10)
		errs := make(chan error, 10)
		for range 10 {
			go func() {
				cert, err := c.Self(t.Context(), "ca-1", []string{"ca.hospital.example"}, nil)
				certs <- cert
				errs <- err
			}()
		}
		for range 10 {
			<-certs
			require.NoError(t, <-errs)
		}
		require.Equal(t, 10, c.Certificates("ca/ca-1"))
	})
}

// Replicas have a name of their own each, and the names that machines know them by
// together, also those that one held before there were others; whoever goes takes none
// of them along. No other role's identity comes by a name that way.
func TestSelfSharesNames(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		path, names := "ca/betonicad", []string{"ca.hospital.example", "ca-1.hospital.example"}
		require.NoError(t, c.Store.Update(t.Context(), func(tx *store.Tx) audit.Event { // as before there were replicas
			tx.CreateIdentity(store.Identity{Path: path, Role: "ca", Name: "betonicad", State: store.Active})
			tx.InsertCertificate(store.Certificate{
				Serial: store.Serial{1}, Issuer: c.Issuers.Current().IssuerID(), Identity: path, SPKI: [32]byte{1}, DER: []byte("x"),
				NotBefore: tx.Now(), NotAfter: tx.Now().Add(time.Hour), Method: "self", Policy: 1, Revision: 1, DNSNames: names,
			})
			return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
		}))
		holder := func(name, want string) {
			got, err := c.Store.NameHolder(t.Context(), name)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err := c.Self(t.Context(), "betonicad", names, nil)
		require.NoError(t, err)
		holder("ca.hospital.example", path)
		_, err = c.Self(t.Context(), "ca-2", names[:1], nil)
		require.NoError(t, err)
		holder("ca.hospital.example", "ca/*")
		holder("ca-1.hospital.example", path)
		_, err = c.Self(t.Context(), "betonicad", names, nil)
		require.NoError(t, err)

		_, err = c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\ndns = [\"*.hospital.example\"]\n[role.cab]\ndns = [\"*.hospital.example\"]\nshare_names = true"), enroll.AnyVersion)
		require.NoError(t, err)
		for _, role := range []string{"device", "cab"} {
			for i, name := range names {
				token := c.Token(enroll.TokenRequest{Role: role, Name: fmt.Sprintf("m-%d", i)})
				_, err := c.Enroll(t.Context(), token, home, dnsCSR(t, enrolltest.NewKey(t), name))
				require.ErrorIs(t, err, store.ErrNameTaken, role)
			}
		}
		token := c.Token(enroll.TokenRequest{Role: "device", Name: "first"})
		_, err = c.Enroll(t.Context(), token, home, dnsCSR(t, enrolltest.NewKey(t), "web.hospital.example"))
		require.NoError(t, err)
		_, err = c.Self(t.Context(), "ca-2", []string{"web.hospital.example"}, nil)
		require.ErrorIs(t, err, store.ErrNameTaken)
	})
}

// No machine takes the daemon's name, neither before it nor after.
func TestSelfNamesAreReserved(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\ndns = [\"*.hospital.example\"]"), enroll.AnyVersion)
	require.NoError(t, err)
	_, err = c.Self(t.Context(), "ca-1", []string{"ca.hospital.example"}, nil)
	require.NoError(t, err)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "a"})
	_, err = c.Enroll(t.Context(), token, home, dnsCSR(t, enrolltest.NewKey(t), "ca.hospital.example"))
	require.ErrorIs(t, err, store.ErrNameTaken)
}

// The daemon's certificate cannot be renewed like a machine's: the role ca takes
// no other proof than being the daemon.
func TestSelfIsNotRenewed(t *testing.T) {
	c := enrolltest.New(t)
	cert, err := c.Self(t.Context(), "ca-1", []string{"ca.hospital.example"}, nil)
	require.NoError(t, err)
	_, err = renew(t, c, cert.Leaf, newCSR(t))
	var denied *ca.DeniedError
	require.ErrorAs(t, err, &denied)
}
