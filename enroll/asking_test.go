package enroll_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

const askPolicy = `
[role.device]
dns = ["{name}.devices.example"]
methods = ["token", "renew", "approval"]
[role.pair]
methods = ["token", "approval"]
proofs = 2
[role.near]
methods = ["approval"]
networks = ["198.51.100.0/24"]
[role.gateway]
methods = ["token", "renew"]
[role.operator]
methods = ["token", "approval"]
`

// askEachEngine is eachEngine under a policy that has approval.
func askEachEngine(t *testing.T, f func(t *testing.T, c *enrolltest.CA)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		setPolicy(t, c, askPolicy)
		f(t, c)
	})
}

func askCA(t *testing.T) *enrolltest.CA {
	c := enrolltest.New(t)
	setPolicy(t, c, askPolicy)
	return c
}

// ask asks for the role device with that key from home.
func ask(t *testing.T, c *enrolltest.CA, key crypto.Signer) (*x509.Certificate, error) {
	t.Helper()
	return c.Admit(t.Context(), enroll.Claim{CSR: enrolltest.CSR(t, key), From: home, Role: "device", Ask: true})
}

// pending is what a machine is told that waits.
func pending(t *testing.T, err error) *enroll.PendingError {
	t.Helper()
	var p *enroll.PendingError
	require.ErrorAs(t, err, &p)
	return p
}

// waits returns a request that waits, and the key that it is of.
func waits(t *testing.T, c *enrolltest.CA) (*enroll.PendingError, *ecdsa.PrivateKey) {
	t.Helper()
	key := enrolltest.NewKey(t)
	_, err := ask(t, c, key)
	return pending(t, err), key
}

func spkiOf(t *testing.T, key crypto.Signer) ([]byte, [32]byte) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return der, sha256.Sum256(der)
}

// as approves the request as that device.
func as(t *testing.T, p *enroll.PendingError, key crypto.Signer, name string) enroll.Approval {
	t.Helper()
	_, spki := spkiOf(t, key)
	return enroll.Approval{Request: p.ID, SPKI: spki, Role: "device", Name: name}
}

func approve(t *testing.T, c *enrolltest.CA, p *enroll.PendingError, key crypto.Signer, name string) {
	t.Helper()
	_, err := c.Approve(t.Context(), enrolltest.Root, as(t, p, key, name))
	require.NoError(t, err)
}

// A machine without a credential waits with a code, which hangs on its whole key and on a
// number that the CA drew and does not draw again; a person says who it is; then it gets
// its certificate, again if the reply was lost, and later not.
func TestAsk(t *testing.T) {
	askEachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		p, key := waits(t, c)
		spki, hash := spkiOf(t, key)
		require.Len(t, p.Nonce, api.NonceSize)
		require.Equal(t, api.Code(spki, p.Nonce), p.Code)
		require.NoError(t, p.Answer().Check(spki))
		require.WithinDuration(t, c.Now().Add(24*time.Hour), p.Expires, time.Minute)
		_, err := ask(t, c, key)
		again := pending(t, err)
		require.Equal(t, p.Answer().Nonce, again.Answer().Nonce)
		require.Equal(t, p.ID, again.ID)
		other, _ := waits(t, c)
		require.NotEqual(t, p.Nonce, other.Nonce)

		q, err := c.Approve(t.Context(), enroll.Actor{Name: "operator/anna", Address: home}, enroll.Approval{Request: p.ID, SPKI: hash, Role: "device", Name: "pump-1", Owner: "icu"})
		require.NoError(t, err)
		require.Equal(t, store.RequestApproved, q.State)
		require.Equal(t, "device/pump-1", q.Identity)
		require.Equal(t, store.Pending, c.Identity("device/pump-1").State)
		require.Equal(t, "icu", c.Identity("device/pump-1").Owner)

		cert, err := ask(t, c, key)
		require.NoError(t, err)
		require.Equal(t, "spiffe://hospital.example/device/pump-1", cert.URIs[0].String())
		require.Equal(t, store.Active, c.Identity("device/pump-1").State)
		lost, err := ask(t, c, key)
		require.NoError(t, err)
		require.Equal(t, cert.Raw, lost.Raw)
		require.Equal(t, 1, c.Certificates("device/pump-1"))
		c.Advance(11 * time.Minute)
		_, err = ask(t, c, key)
		require.ErrorIs(t, err, store.ErrKeyTaken)
		require.Empty(t, c.Audit("certificate.refuse"), "who repeats himself for ever is a stranger, whose refusals are bounded")
		waits(t, c)

		created, approved, issued := c.Audit("request.create"), c.Audit("request.approve"), c.Audit("certificate.issue")
		require.Len(t, created, 3)
		require.Equal(t, "stranger", created[0].Actor)
		require.Equal(t, home.String(), created[0].Address)
		require.Len(t, approved, 1)
		require.Equal(t, "operator/anna", approved[0].Actor)
		require.Equal(t, "device/pump-1", approved[0].Subject)
		for name, want := range map[string]any{"spki": hex.EncodeToString(hash[:]), "code": p.Code, "asked_from": home.String(), "request": p.ID.String(), "created": true} {
			require.Equal(t, want, approved[0].Detail[name], name)
		}
		require.Len(t, issued, 1)
		require.Equal(t, "approval", issued[0].Detail["method"])
		require.Equal(t, "approval:"+p.ID.String(), issued[0].Detail["proof"])
	})
}

// Who a machine is comes from the person who approves it, and from nobody else: names
// that it asks for must be that identity's.
func TestAskNames(t *testing.T) {
	c := askCA(t)
	key := enrolltest.NewKey(t)
	claim := func(paths ...string) enroll.Claim {
		return enroll.Claim{CSR: enrolltest.CSR(t, key, paths...), From: home, Role: "device", Ask: true}
	}
	_, err := c.Admit(t.Context(), claim("device/pump-9"))
	p := pending(t, err)
	var denied *ca.DeniedError
	_, err = c.Approve(t.Context(), enrolltest.Root, as(t, p, key, "pump-1"))
	require.ErrorAs(t, err, &denied, "it would be refused")
	require.Len(t, c.Audit("admin.refuse"), 1)
	approve(t, c, p, key, "pump-9")
	_, err = c.Admit(t.Context(), claim("device/pump-1"))
	require.ErrorAs(t, err, &denied)
	require.Empty(t, c.Audit("certificate.issue"))
	cert, err := c.Admit(t.Context(), claim())
	require.NoError(t, err)
	require.Equal(t, "/device/pump-9", cert.URIs[0].Path)
}

// What a person has looked at is all that its key may ask for afterwards: names that were
// not in it are not approved with it, whatever the role covers.
func TestAskMoreNames(t *testing.T) {
	c := askCA(t)
	setPolicy(t, c, askPolicy+"[role.door]\nmethods = ['approval']\ndns = ['*.example']\nip = ['10.0.0.0/8']\n")
	key := enrolltest.NewKey(t)
	claim := func(names []string, ips ...net.IP) enroll.Claim {
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names, IPAddresses: ips}, key)
		require.NoError(t, err)
		return enroll.Claim{CSR: csr, From: home, Role: "door", Ask: true}
	}
	_, err := c.Admit(t.Context(), claim([]string{"a.example", "b.example"}, net.IPv4(10, 0, 0, 1)))
	a := as(t, pending(t, err), key, "door-1")
	a.Role = "door"
	_, err = c.Approve(t.Context(), enrolltest.Root, a)
	require.NoError(t, err)
	_, err = c.Admit(t.Context(), claim([]string{"a.example", "vpn.example"}))
	deniedSaying(t, err, `"vpn.example" was not in the request that was approved`)
	_, err = c.Admit(t.Context(), claim(nil, net.IPv4(10, 0, 0, 2)))
	deniedSaying(t, err, "10.0.0.2 was not in the request that was approved")
	require.Empty(t, c.Audit("certificate.issue"))
	cert, err := c.Admit(t.Context(), claim([]string{"b.example"}, net.IPv4(10, 0, 0, 1)))
	require.NoError(t, err)
	require.Equal(t, []string{"b.example"}, cert.DNSNames)
}

// Whoever no person could approve does not even wait, and leaves no trace but a counted
// refusal.
func TestAskRefused(t *testing.T) {
	c := askCA(t)
	held := enrolltest.NewKey(t)
	_, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, enrolltest.CSR(t, held))
	require.NoError(t, err)
	long, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{OrganizationalUnit: []string{strings.Repeat("x", 9<<10)}}}, enrolltest.NewKey(t))
	require.NoError(t, err)
	csr := newCSR(t)
	var denied *ca.DeniedError
	var bad *api.BadRequestError
	var request *ca.RequestError
	for name, tt := range map[string]struct {
		claim enroll.Claim
		want  any
	}{
		"no role":              {enroll.Claim{CSR: csr}, &bad},
		"unknown role":         {enroll.Claim{CSR: csr, Role: "pumps"}, &denied},
		"role as a path":       {enroll.Claim{CSR: csr, Role: "device/pump-1"}, &denied},
		"role without it":      {enroll.Claim{CSR: csr, Role: "gateway"}, &denied},
		"privileged role":      {enroll.Claim{CSR: csr, Role: "operator"}, &denied},
		"the CA's own":         {enroll.Claim{CSR: csr, Role: "ca"}, &denied},
		"another network":      {enroll.Claim{CSR: csr, Role: "near"}, &denied},
		"too few proofs":       {enroll.Claim{CSR: csr, Role: "pair"}, enroll.ErrUnauthenticated},
		"too long":             {enroll.Claim{CSR: long, Role: "device"}, &request},
		"not a request":        {enroll.Claim{CSR: []byte("x"), Role: "device"}, &request},
		"a key that is in use": {enroll.Claim{CSR: enrolltest.CSR(t, held), Role: "device"}, store.ErrKeyTaken},
	} {
		t.Run(name, func(t *testing.T) {
			tt.claim.From, tt.claim.Ask = home, true
			_, err := c.Admit(t.Context(), tt.claim)
			if sentinel, ok := tt.want.(error); ok {
				require.ErrorIs(t, err, sentinel)
			} else {
				require.ErrorAs(t, err, tt.want)
			}
		})
	}
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Role: "device"})
	require.ErrorIs(t, err, enroll.ErrUnauthenticated, "it does not ask")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Role: "device", Ask: true, Token: "bt1.x.y"})
	require.ErrorIs(t, err, enroll.ErrUnauthenticated, "with a bad token nobody waits")
	c.Stop()
	list, _, err := c.Store.Requests(t.Context(), store.RequestFilter{}, store.Page{})
	require.NoError(t, err)
	require.Empty(t, list)
	require.Empty(t, c.Audit("request.create"))
	require.NotEmpty(t, c.Audit("request.refuse"))
}

// A key asks for one role: what was looked at is what is decided.
func TestAskAnotherRole(t *testing.T) {
	c := askCA(t)
	setPolicy(t, c, askPolicy+"[role.pump]\nmethods = ['approval']\n")
	p, key := waits(t, c)
	claim := enroll.Claim{CSR: enrolltest.CSR(t, key), From: home, Role: "pump", Ask: true}
	var denied *ca.DeniedError
	for range 2 {
		_, err := c.Admit(t.Context(), claim)
		require.ErrorAs(t, err, &denied)
		require.Contains(t, err.Error(), "another role")
		if q, err := c.Store.Request(t.Context(), p.ID); err == nil && q.State == store.RequestWaiting {
			approve(t, c, p, key, "pump-1")
		}
	}
	require.Empty(t, c.Audit("certificate.issue"))
}

// What nobody approves lapses after a day; then the machine opens another request, with
// another code.
func TestAskLapses(t *testing.T) {
	askEachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		p, key := waits(t, c)
		c.Advance(24 * time.Hour)
		var conflict *enroll.ConflictError
		_, err := c.Approve(t.Context(), enrolltest.Root, as(t, p, key, "pump-1"))
		require.ErrorAs(t, err, &conflict)
		require.Contains(t, err.Error(), "lapsed")
		_, err = ask(t, c, key)
		second := pending(t, err)
		require.NotEqual(t, p.ID, second.ID)
		require.NotEqual(t, p.Code, second.Code)
		approve(t, c, second, key, "pump-1")
		c.Advance(24 * time.Hour)
		_, err = ask(t, c, key)
		third := pending(t, err)
		require.NotEqual(t, second.ID, third.ID, "an approval that was not used in time lapses, too")

		// Approved at the last moment it can still be fetched.
		c.Advance(24*time.Hour - time.Minute)
		approve(t, c, third, key, "pump-1")
		c.Advance(59 * time.Minute)
		_, err = ask(t, c, key)
		require.NoError(t, err)
	})
}

// What a stranger sends reaches neither the log's lines nor the audit log as he sent it.
func TestAskInjects(t *testing.T) {
	c := askCA(t)
	const evil = "device\nlevel=ERROR msg=owned \x1b[2J"
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: evil}}, enrolltest.NewKey(t))
	require.NoError(t, err)
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Role: evil, Ask: true})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "owned")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Role: "device", Ask: true})
	pending(t, err)
	c.Stop()
	for _, action := range []string{"request.refuse", "request.create"} {
		entries := c.Audit(action)
		require.Len(t, entries, 1)
		require.NotContains(t, fmt.Sprintf("%+v", entries[0]), "owned")
	}
}
