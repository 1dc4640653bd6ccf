package enroll_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// An order of a bound account gets its certificate: the identity's, with the names
// of the order and no others, on record with the order, the account and the audit
// entry. Finalizing again with the same key returns it again, and with another key
// nothing.
func TestFinalize(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		a := bind(t, c, eab(c, "device", "pump-1"))
		name := dns("pump-1.devices.example")
		id, key := a.order(name), enrolltest.NewKey(t)
		cert, err := a.finalize(id, csrFor(t, key, "", name))
		require.NoError(t, err)
		require.Equal(t, "spiffe://hospital.example/device/pump-1", cert.URIs[0].String())
		require.Equal(t, []string{"pump-1.devices.example"}, cert.DNSNames)

		o, err := c.Store.Order(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, store.OrderValid, o.Status)
		require.Equal(t, store.SerialOf(cert), *o.Serial)
		row, err := c.Store.Certificate(t.Context(), *o.Serial)
		require.NoError(t, err)
		require.Equal(t, "acme", row.Method)
		entries := c.Audit("certificate.issue")
		require.Len(t, entries, 1)
		require.Equal(t, "order:"+id.String(), entries[0].Detail["proof"])
		require.Equal(t, id.String(), entries[0].Detail["order"])
		require.Equal(t, a.acc.ID.String(), entries[0].Detail["account"])

		again, err := a.finalize(id, csrFor(t, key, "", name))
		require.NoError(t, err)
		require.Equal(t, cert.Raw, again.Raw)
		_, err = a.finalize(id, csrFor(t, enrolltest.NewKey(t), "", name))
		require.ErrorIs(t, err, store.ErrSpent)
		require.Equal(t, 1, c.Certificates("device/pump-1"))

		// Another order may keep the key, as some clients do.
		second, err := a.finalize(a.order(name), csrFor(t, key, "", name))
		require.NoError(t, err)
		require.NotEqual(t, cert.SerialNumber, second.SerialNumber)
	})
}

// Of any number of racers over one order, with a key each, one gets a certificate;
// with one key, all get the same.
func TestOneOrderOneCertificate(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		a := bind(t, c, eab(c, "device", "pump-1"))
		name := dns("pump-1.devices.example")
		finalize := func(id store.OrderID, key func() crypto.Signer) ([]*x509.Certificate, []error) {
			o, authz, err := c.Store.OrderWithAuthorizations(t.Context(), id)
			require.NoError(t, err)
			acc := a.held()
			return race(50, func(int) (*x509.Certificate, error) {
				return c.Finalize(t.Context(), acc, o, authz, csrFor(t, key(), "", name), home)
			})
		}
		certs, errs := finalize(a.order(name), func() crypto.Signer { return enrolltest.NewKey(t) })
		require.Len(t, certs, 1)
		for _, err := range errs {
			require.ErrorIs(t, err, store.ErrSpent)
		}
		one := enrolltest.NewKey(t)
		certs, errs = finalize(a.order(name), func() crypto.Signer { return one })
		require.Empty(t, errs)
		for _, cert := range certs {
			require.Equal(t, certs[0].Raw, cert.Raw)
		}
		require.Equal(t, 2, c.Certificates("device/pump-1"))
	})
}

// What an account may have is decided again at finalize: whatever ends it between
// the order and that moment, or between the decision and the commit, wins. Nothing
// is issued, the refusal is on record, and the order stays as it was.
func TestFinalizeDecidesAgain(t *testing.T) {
	changes := []struct {
		name string
		do   func(t *testing.T, a *client, id store.OrderID)
	}{
		{"token revoked", func(t *testing.T, a *client, _ store.OrderID) {
			require.NoError(t, a.RevokeToken(t.Context(), enrolltest.Root, *a.acc.Token))
		}},
		{"account deactivated", func(t *testing.T, a *client, _ store.OrderID) {
			require.NoError(t, a.DeactivateAccount(t.Context(), a.acc, home))
		}},
		{"identity suspended", func(t *testing.T, a *client, _ store.OrderID) {
			_, err := a.Suspend(t.Context(), enrolltest.Root, a.acc.Identity)
			require.NoError(t, err)
		}},
		{"identity revoked", func(t *testing.T, a *client, _ store.OrderID) { revokeIdentity(t, a.CA, a.acc.Identity) }},
		{"identity retired", func(t *testing.T, a *client, _ store.OrderID) {
			_, err := a.Retire(t.Context(), enrolltest.Root, a.acc.Identity)
			require.NoError(t, err)
		}},
		{"policy narrowed", func(t *testing.T, a *client, _ store.OrderID) {
			setPolicy(t, a.CA, "[role.device]\ndns = ['{name}.other.example']\n")
		}},
		{"method gone", func(t *testing.T, a *client, _ store.OrderID) {
			setPolicy(t, a.CA, "[role.device]\ndns = ['{name}.devices.example']\nmethods = ['token', 'renew']\n")
		}},
		{"authorization deactivated", func(t *testing.T, a *client, id store.OrderID) {
			o, err := a.Store.Order(t.Context(), id)
			require.NoError(t, err)
			require.NoError(t, a.Store.Relaxed(t.Context(), func(tx *store.RelaxedTx) { tx.DeactivateAuthorization(o.Authorizations[0]) }))
		}},
	}
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		for i, change := range changes {
			for _, when := range []string{"before", "meanwhile"} {
				t.Run(change.name+" "+when, func(t *testing.T) {
					setPolicy(t, c, enrolltest.Policy+"# "+change.name+" "+when)
					refusals := len(c.Audit("certificate.refuse"))
					pump := fmt.Sprintf("%s-%d", when, i)
					a := bind(t, c, eab(c, "device", pump))
					name := dns(pump + ".devices.example")
					id := a.order(name)
					if when == "before" {
						change.do(t, a, id)
					} else {
						c.WhileSigning(func() { change.do(t, a, id) })
					}
					_, err := a.finalize(id, csrFor(t, enrolltest.NewKey(t), "", name))
					_, policy := errors.AsType[*ca.DeniedError](err)
					require.True(t, policy || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrSpent), "%v", err)
					require.Zero(t, c.Certificates(a.acc.Identity))
					require.Len(t, c.Audit("certificate.refuse"), refusals+1)
					o, err := c.Store.Order(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, store.OrderOpen, o.Status)
				})
			}
		}
	})
}

// A policy that still allows it, set between the decision and the commit, is decided
// under; an order that is too old is not taken.
func TestFinalizeUnderNewPolicy(t *testing.T) {
	c := enrolltest.New(t)
	a := bind(t, c, eab(c, "device", "pump-1"))
	name := dns("pump-1.devices.example")
	c.WhileSigning(func() { setPolicy(t, c, enrolltest.Policy+"\n# changed\n") })
	a.issue(name)

	id := a.order(name)
	c.Advance(2 * time.Hour)
	_, err := a.finalize(id, csrFor(t, enrolltest.NewKey(t), "", name))
	require.ErrorIs(t, err, store.ErrSpent)
}

// A CSR must ask for what the order is for, with a key that the role takes.
func TestFinalizeRefusesRequests(t *testing.T) {
	c := enrolltest.New(t)
	setPolicy(t, c, bindingPolicy+"\n[role.narrow]\nkeys = ['P-256']\n")
	a := bind(t, c, eab(c, "device", "pump-1"))
	own, other, wild, addr := dns("pump-1.devices.example"), dns("x.ward.example"), dns("*.ward.example"), ip("10.0.0.1")
	key := enrolltest.NewKey(t)
	uri := func(path string) []byte { return enrolltest.CSR(t, key, path) }
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	for _, tt := range []struct {
		name   string
		ids    []store.OrderIdentifier
		csr    []byte
		reason string // of a RequestError; empty: it is served
	}{
		{"its names", []store.OrderIdentifier{own, addr}, csrFor(t, key, "", addr, own), ""},
		{"a wildcard", []store.OrderIdentifier{wild, other}, csrFor(t, key, "", wild, other), ""},
		{"own common name", []store.OrderIdentifier{own}, csrFor(t, key, "pump-1", own), ""},
		{"ordered common name", []store.OrderIdentifier{own}, csrFor(t, key, "PUMP-1.devices.example", own), ""},
		{"a common name alone", []store.OrderIdentifier{own}, csrFor(t, key, "pump-1.devices.example"), ""},
		{"an address as a common name", []store.OrderIdentifier{addr, own}, csrFor(t, key, "10.0.0.1", own), ""},
		{"a wildcard as a common name", []store.OrderIdentifier{wild, own}, csrFor(t, key, "*.ward.example", own), ""},
		{"no names", []store.OrderIdentifier{own}, csrFor(t, key, ""), "names"},
		{"another name", []store.OrderIdentifier{own}, csrFor(t, key, "", other), "names"},
		{"one more", []store.OrderIdentifier{own}, csrFor(t, key, "", own, other), "names"},
		{"one less", []store.OrderIdentifier{own, other}, csrFor(t, key, "", own), "names"},
		{"one address more", []store.OrderIdentifier{own}, csrFor(t, key, "", own, addr), "names"},
		{"a wildcard for its name", []store.OrderIdentifier{other}, csrFor(t, key, "", wild), "names"},
		{"the name for a wildcard", []store.OrderIdentifier{wild}, csrFor(t, key, "", dns("ward.example")), "names"},
		{"common name outside", []store.OrderIdentifier{own}, csrFor(t, key, "x.ward.example", own), "names"},
		{"common name that is none", []store.OrderIdentifier{own}, csrFor(t, key, "the pump", own), "common name"},
		{"another's URI", []store.OrderIdentifier{own}, uri("device/pump-2"), "names"},
		{"too small a key", []store.OrderIdentifier{own}, weakCSR(t), "1024 bits"},
		{"a curve of nobody", []store.OrderIdentifier{own}, csrFor(t, p521, "", own), "P-521"},
		{"PEM", []store.OrderIdentifier{own}, []byte("-----BEGIN CERTIFICATE REQUEST-----"), "DER"},
		{"nothing", []store.OrderIdentifier{own}, nil, "DER"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := c.Certificates("device/pump-1")
			cert, err := a.finalize(a.order(tt.ids...), tt.csr)
			if tt.reason == "" {
				require.NoError(t, err)
				require.Len(t, append(cert.DNSNames, make([]string, len(cert.IPAddresses))...), len(tt.ids))
				require.Equal(t, "pump-1", cert.Subject.CommonName)
				return
			}
			bad, ok := errors.AsType[*ca.RequestError](err)
			require.True(t, ok, "%v", err)
			require.Contains(t, bad.Reason, tt.reason)
			require.Equal(t, before, c.Certificates("device/pump-1"))
		})
	}
	n := bind(t, c, eab(c, "narrow", "x"))
	n.attested(key, permanent("x"))
	denial := denied(t, func() error {
		_, err := n.finalize(n.attested(ed, permanent("x")), csrFor(t, ed, ""))
		return err
	})
	require.Contains(t, denial.Reason, "key type Ed25519")
}

// An order is finalized by its own account, with a key that is nobody else's, for
// identifiers that were validated by this account.
func TestFinalizeRefusesOthers(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		a, b := bind(t, c, eab(c, "device", "pump-1")), bind(t, c, eab(c, "device", "pump-2"))
		name := dns("pump-1.devices.example")
		id, key := a.order(name), enrolltest.NewKey(t)
		thief := *b
		denied(t, func() error { _, err := thief.finalize(id, csrFor(t, key, "", name)); return err })
		setPolicy(t, c, bindingPolicy) // and with names that either may have
		either := dns("x.ward.example")
		denied(t, func() error {
			_, err := thief.finalize(a.order(either), csrFor(t, key, "", either))
			return err
		})
		require.Zero(t, c.Certificates("device/pump-2"))

		for _, account := range []*client{a, b} {
			_, err := a.finalize(id, csrFor(t, account.key, "", name))
			require.ErrorIs(t, err, store.ErrKeyTaken)
		}
		require.Zero(t, len(c.Audit("identity.suspect")))
		taken := enrolltest.NewKey(t)
		_, err := b.finalize(b.order(dns("pump-2.devices.example")), csrFor(t, taken, "", dns("pump-2.devices.example")))
		require.NoError(t, err)
		_, err = a.finalize(id, csrFor(t, taken, "", name))
		require.ErrorIs(t, err, store.ErrKeyTaken)
		require.True(t, c.Identity("device/pump-1").Suspect)
		require.False(t, c.Identity("device/pump-2").Suspect)

		// Authorizations that this account did not get do not count.
		o, _, err := c.Store.OrderWithAuthorizations(t.Context(), id)
		require.NoError(t, err)
		o.Identifiers = []store.OrderIdentifier{permanent("pump-1")}
		authz := []store.Authorization{{Account: b.acc.ID, Identifier: o.Identifiers[0].Identifier, Status: store.AuthorizationValid, Token: "t", SPKI: make([]byte, 32)}}
		spki := accountKey(t, key).SPKI
		authz[0].SPKI = spki[:]
		denied(t, func() error {
			_, err := c.Finalize(t.Context(), a.held(), o, authz, csrFor(t, key, ""), home)
			return err
		})
		authz[0].Account = a.acc.ID
		authz[0].SPKI = nil
		denied(t, func() error {
			_, err := c.Finalize(t.Context(), a.held(), o, authz, csrFor(t, key, ""), home)
			return err
		})
		authz[0].SPKI, authz[0].Token = spki[:], ""
		denied(t, func() error {
			_, err := c.Finalize(t.Context(), a.held(), o, authz, csrFor(t, key, ""), home)
			return err
		})
		require.Zero(t, c.Certificates("device/pump-1"))
	})
}

// A device that attested its key gets a certificate for that key and no other,
// without the names on its record, which the order does not have.
func TestFinalizeAttested(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.CreateIdentity(t.Context(), enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "pump-1", DNSNames: []string{"pump-1.devices.example"}})
	require.NoError(t, err)
	a := bind(t, c, eab(c, "device", "pump-1"))
	key := enrolltest.NewKey(t)
	id := a.attested(key, permanent("pump-1"))
	_, err = a.finalize(id, csrFor(t, enrolltest.NewKey(t), "pump-1"))
	bad, ok := errors.AsType[*ca.RequestError](err)
	require.True(t, ok, "%v", err)
	require.Contains(t, bad.Reason, "attested")
	cert, err := a.finalize(id, csrFor(t, key, "pump-1"))
	require.NoError(t, err)
	require.Empty(t, cert.DNSNames)
}

// A name that was covered when it was ordered, and never validated, is judged by the
// record of today.
func TestFinalizeForgetsWhatWasCovered(t *testing.T) {
	c := enrolltest.New(t)
	setPolicy(t, c, bindingPolicy)
	_, err := c.CreateIdentity(t.Context(), enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "pump-1", DNSNames: []string{"a.ward.example"}})
	require.NoError(t, err)
	a := bind(t, c, eab(c, "device", "pump-1"))
	name := dns("b.ward.example")
	id := a.order(name) // validated
	o, authz, err := c.Store.OrderWithAuthorizations(t.Context(), id)
	require.NoError(t, err)
	authz[0].Token = "" // as if it had been born valid
	denied(t, func() error {
		_, err := c.Finalize(t.Context(), a.held(), o, authz, csrFor(t, enrolltest.NewKey(t), "", name), home)
		return err
	})
	_, err = a.finalize(id, csrFor(t, enrolltest.NewKey(t), "", name))
	require.NoError(t, err, "validated, it may have what is not on record")
}

// A certificate of an account without binding makes the identity that its order
// names, active, once; policy has the last word on the name.
func TestFinalizeUnbound(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		setPolicy(t, c, bindingPolicy)
		a := unbound(t, c)
		web := func(name string) store.OrderID {
			ids := []store.OrderIdentifier{dns(name)}
			b, err := c.Binding(t.Context(), a.held(), "web", "", ids, home)
			require.NoError(t, err)
			az := store.Authorization{ID: store.NewAuthorizationID(), Account: a.acc.ID, Identifier: ids[0].Identifier, Status: store.AuthorizationValid, Token: "t", Expires: c.Now().Add(time.Hour)}
			o := store.Order{ID: store.NewOrderID(), Account: a.acc.ID, Identity: b.Path(), Profile: "web", Identifiers: ids, Expires: c.Now().Add(time.Hour), Authorizations: []store.AuthorizationID{az.ID}}
			require.NoError(t, c.Store.Relaxed(t.Context(), func(tx *store.RelaxedTx) { tx.InsertOrder(o, []store.Authorization{az}) }))
			return o.ID
		}
		csr := func(name string) []byte { return csrFor(t, enrolltest.NewKey(t), name, dns(name)) }

		// Several orders at once, the first of an identity: all are served, one makes it.
		orders := make([]store.OrderID, 8)
		for i := range orders {
			orders[i] = web("a.web.example")
		}
		_, err := c.Store.Identity(t.Context(), "web/a.web.example")
		require.ErrorIs(t, err, store.ErrNotFound)
		certs, errs := race(len(orders), func(i int) (*x509.Certificate, error) { return a.finalize(orders[i], csr("a.web.example")) })
		require.Empty(t, errs)
		require.Len(t, certs, len(orders))
		require.Equal(t, "spiffe://hospital.example/web/a.web.example", certs[0].URIs[0].String())
		require.Equal(t, store.Active, c.Identity("web/a.web.example").State)

		// The identity has come to stand against it, or the policy.
		id := web("a.web.example")
		_, err = c.Suspend(t.Context(), enrolltest.Root, "web/a.web.example")
		require.NoError(t, err)
		denied(t, func() error { _, err := a.finalize(id, csr("a.web.example")); return err })
		id = web("b.web.example")
		c.WhileSigning(func() { eab(c, "web", "b.web.example") }) // pending now
		_, err = a.finalize(id, csr("b.web.example"))
		require.ErrorIs(t, err, store.ErrStale)
		id = web("c.web.example")
		setPolicy(t, c, "[role.web]\nnames = ['d.web.example']\ndns = ['*.web.example']\n")
		denied(t, func() error { _, err := a.finalize(id, csr("c.web.example")); return err })
		_, err = c.Store.Identity(t.Context(), "web/c.web.example")
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

// A role that wants a new key each time refuses one that it knows.
func TestFinalizeRekey(t *testing.T) {
	c := enrolltest.New(t)
	setPolicy(t, c, "[role.device]\ndns = ['{name}.devices.example']\nrekey = 'required'\n")
	a := bind(t, c, eab(c, "device", "pump-1"))
	name, key := dns("pump-1.devices.example"), enrolltest.NewKey(t)
	_, err := a.finalize(a.order(name), csrFor(t, key, "", name))
	require.NoError(t, err)
	_, err = a.finalize(a.order(name), csrFor(t, key, "", name))
	require.ErrorIs(t, err, store.ErrKeyTaken)
	require.False(t, c.Identity("device/pump-1").Suspect)
	a.issue(name)
}
