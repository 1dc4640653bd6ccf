package enroll_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

var home = netip.MustParseAddr("192.0.2.7")

// A join token gives its identity a certificate that chains to the root, and the
// identity, the use of the token and the audit entry are on record with it.
func TestEnroll(t *testing.T) {
	c := enrolltest.New(t)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Owner: "icu"})
	require.Equal(t, store.Pending, c.Identity("device/pump-1").State)

	cert, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.Equal(t, "spiffe://hospital.example/device/pump-1", cert.URIs[0].String())
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(c.Authority.Root())
	intermediates.AppendCertsFromPEM(c.Chain(cert))
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, err)

	id := c.Identity("device/pump-1")
	require.Equal(t, store.Active, id.State)
	require.Equal(t, "icu", id.Owner)
	row, err := c.Store.Certificate(t.Context(), store.SerialOf(cert))
	require.NoError(t, err)
	require.Equal(t, cert.Raw, row.DER)
	require.NotNil(t, row.Token)

	entries := c.Audit("certificate.issue")
	require.Len(t, entries, 1)
	digest := sha256.Sum256(cert.Raw)
	require.Equal(t, "device/pump-1", entries[0].Subject)
	require.Equal(t, home.String(), entries[0].Address)
	require.Equal(t, hex.EncodeToString(digest[:]), entries[0].Detail["sha256"])
	require.Equal(t, "token:"+row.Token.String(), entries[0].Detail["proof"])
}

// Of any number of concurrent uses of one token, with a key each, one gets a
// certificate; on every engine.
func TestOneTokenOneCertificate(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
		certs, errs := race(1000, func(int) (*x509.Certificate, error) {
			return c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		})
		require.Len(t, certs, 1)
		reused := 0
		for _, err := range errs {
			if _, limited := errors.AsType[*enroll.RateLimitError](err); limited {
				continue
			}
			require.ErrorIs(t, err, enroll.ErrReused)
			reused++
		}
		require.Equal(t, 5, reused, "of one source")
		require.Equal(t, 1, c.Certificates("device/pump-1"))
		require.Len(t, c.Audit("certificate.issue"), 1)
		require.GreaterOrEqual(t, len(c.Audit("token.reuse")), reused)
		require.True(t, c.Identity("device/pump-1").Suspect)
	})
}

// Of any number of concurrent uses of one token with one key, all get the same
// certificate; on every engine.
func TestOneKeyOneCertificate(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
		csr := enrolltest.CSR(t, enrolltest.NewKey(t))
		certs, errs := race(1000, func(int) (*x509.Certificate, error) {
			return c.Enroll(t.Context(), token, home, csr)
		})
		require.Empty(t, errs)
		for _, cert := range certs {
			require.Equal(t, certs[0].Raw, cert.Raw)
		}
		require.Equal(t, 1, c.Certificates("device/pump-1"))
		require.False(t, c.Identity("device/pump-1").Suspect)
	})
}

// A token of n uses makes n identities at most, however many ask at once.
func TestTokenUses(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-*", Uses: 5})
		certs, _ := race(50, func(i int) (*x509.Certificate, error) {
			return c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t), "device/pump-"+string(rune('A'+i))))
		})
		require.Len(t, certs, 5)
		require.Len(t, c.Audit("certificate.issue"), 5)
	})
}

// race calls f n times at once, and sorts what comes back.
func race(n int, f func(i int) (*x509.Certificate, error)) (certs []*x509.Certificate, errs []error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			cert, err := f(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				certs = append(certs, cert)
			}
		})
	}
	close(start)
	all.Wait()
	return certs, errs
}

// The same token with the same key is answered with the same certificate for ten
// minutes, also when the token has expired meanwhile; later it is reused.
func TestLostReply(t *testing.T) {
	c := enrolltest.New(t)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", TTL: 5 * time.Minute})
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	first, err := c.Enroll(t.Context(), token, home, csr)
	require.NoError(t, err)

	c.Advance(9 * time.Minute)
	again, err := c.Enroll(t.Context(), token, home, csr)
	require.NoError(t, err)
	require.Equal(t, first.Raw, again.Raw)
	require.Empty(t, c.Audit("token.reuse"))

	c.Advance(2 * time.Minute)
	_, err = c.Enroll(t.Context(), token, home, csr)
	require.ErrorIs(t, err, enroll.ErrReused)
	require.Len(t, c.Audit("certificate.issue"), 1)
}

// A lost reply is not sent again to an identity that has lost the certificate
// since, nor for a token that was revoked.
func TestLostReplyOfRevoked(t *testing.T) {
	c := enrolltest.New(t)
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	_, err := c.Enroll(t.Context(), token, home, csr)
	require.NoError(t, err)
	_, err = c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	var denied *ca.DeniedError
	_, err = c.Enroll(t.Context(), token, home, csr)
	require.ErrorAs(t, err, &denied)

	_, err = c.Resume(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	require.NoError(t, c.RevokeToken(t.Context(), enrolltest.Root, tokenID(t, token)))
	_, err = c.Enroll(t.Context(), token, home, csr)
	require.Equal(t, enroll.ErrUnauthenticated, err, "the token is revoked")

	csr = newCSR(t)
	token = c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})
	_, err = c.Enroll(t.Context(), token, home, csr)
	require.NoError(t, err)
	replacement := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})
	_, err = c.Enroll(t.Context(), replacement, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	_, err = c.Enroll(t.Context(), token, home, csr)
	require.ErrorAs(t, err, &denied, "superseded")
	require.ErrorContains(t, err, "revoked")
}

// A spent token that comes back with another key is refused, recorded and alarmed,
// and its identity is suspect.
func TestTokenReused(t *testing.T) {
	c := enrolltest.New(t)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	_, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.False(t, c.Identity("device/pump-1").Suspect)

	_, err = c.Enroll(t.Context(), token, netip.MustParseAddr("203.0.113.9"), enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.ErrorIs(t, err, enroll.ErrReused)
	require.True(t, c.Identity("device/pump-1").Suspect)
	entries := c.Audit("token.reuse")
	require.Len(t, entries, 1)
	require.Equal(t, "device/pump-1", entries[0].Subject)
	require.Equal(t, "203.0.113.9", entries[0].Address)
}

// What policy or the state of the identity refuses is recorded, and does not burn
// the token.
func TestRefusalsKeepTheToken(t *testing.T) {
	c := enrolltest.New(t)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	key := enrolltest.NewKey(t)
	for name, csr := range map[string][]byte{
		"another identity": enrolltest.CSR(t, key, "device/pump-2"),
		"another role":     enrolltest.CSR(t, key, "gateway/pump-1"),
		"two identities":   enrolltest.CSR(t, key, "device/pump-1", "device/pump-2"),
		"garbage":          []byte("not a CSR"),
		"empty":            nil,
		"weak key":         weakCSR(t),
		"uncovered name":   dnsCSR(t, key, "www.example"),
	} {
		t.Run(name, func(t *testing.T) {
			before := len(c.Audit("certificate.refuse"))
			_, err := c.Enroll(t.Context(), token, home, csr)
			_, denied := errors.AsType[*ca.DeniedError](err)
			_, bad := errors.AsType[*ca.RequestError](err)
			require.True(t, denied || bad, err)
			entries := c.Audit("certificate.refuse")
			require.Len(t, entries, before+1)
			require.Equal(t, err.Error(), entries[before].Outcome)
			require.Equal(t, "device/pump-1", entries[before].Subject)
		})
	}
	_, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, key, "device/pump-1"))
	require.NoError(t, err)
}

// A bearer whose token is not good is told the same, whatever the reason, which is
// on record.
func TestBadTokens(t *testing.T) {
	c := enrolltest.New(t)
	key := enrolltest.NewKey(t)
	spki := sha256.Sum256([]byte("another key"))
	unknown := api.NewJoinToken(sha256.Sum256(c.Authority.Root().Raw)).String()
	good := func(req enroll.TokenRequest) string {
		req.Role, req.Name = "device", "pump-*"
		return c.Token(req)
	}
	revoked := good(enroll.TokenRequest{})
	require.NoError(t, c.RevokeToken(t.Context(), enrolltest.Root, tokenID(t, revoked)))
	expired := good(enroll.TokenRequest{TTL: time.Minute})
	c.Advance(time.Minute)
	wanted := map[string]string{}
	for i, tt := range []struct{ name, token, why string }{
		{"none", "", "not a token"},
		{"garbage", "bt1.x.y", "not a token"},
		{"unknown", unknown, "unknown"},
		{"root of another CA", good(enroll.TokenRequest{})[:47] + "." + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "secret or root differs"},
		{"revoked", revoked, "revoked"},
		{"expired", expired, "expired"},
		{"network", good(enroll.TokenRequest{Network: netip.MustParsePrefix("10.0.0.0/8")}), "outside its network 10.0.0.0/8"},
		{"key", good(enroll.TokenRequest{SPKI: &spki}), "bound to another public key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			wanted[from.String()] = tt.why
			_, err := c.Enroll(t.Context(), tt.token, from, enrolltest.CSR(t, key, "device/pump-1"))
			require.Equal(t, enroll.ErrUnauthenticated, err)
		})
	}
	require.Empty(t, c.Audit("certificate.issue"))
	c.Stop()
	recorded := map[string]string{}
	for _, e := range c.Audit("token.refuse") {
		recorded[e.Address] = e.Outcome
	}
	require.Equal(t, wanted, recorded)
}

// A token is found by half of its secret's hash, and proved by all of it.
func TestTokenIsProvedByAllOfItsHash(t *testing.T) {
	c := enrolltest.New(t)
	token := api.NewJoinToken(sha256.Sum256(c.Authority.Root().Raw))
	hash := token.Hash()
	hash[31] ^= 1
	require.NoError(t, c.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
		tx.InsertToken(store.Token{
			ID: token.ID(), Hash: hash, Role: "device", Name: "pump-*", MaxUses: 1, Expires: c.Now().Add(time.Hour),
		})
		return audit.Event{Action: "token.create", Actor: "uid:0", Outcome: "ok"}
	}))
	_, err := c.Enroll(t.Context(), token.String(), home, enrolltest.CSR(t, enrolltest.NewKey(t), "device/pump-1"))
	require.Equal(t, enroll.ErrUnauthenticated, err)
}
