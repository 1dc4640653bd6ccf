// Package enrolltest makes a certificate authority for tests: the real funnel on a
// real store in a temporary directory. Nothing in it is a double, but the clock.
package enrolltest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// TrustDomain is that of every CA here.
const TrustDomain = "hospital.example"

// Policy is what a CA here starts with.
const Policy = `
[role.device]
dns = ["{name}.devices.example"]
usages = ["client", "server"]

[role.gateway]
fork = "refuse"
`

// Root is an actor who may do everything.
var Root = enroll.Actor{Name: "uid:0", Root: true}

// A CA is a Registrar and what it stands on.
type CA struct {
	*enroll.Registrar
	Store      *store.DB
	Authority  *ca.Authority // issues, until a test sets another one in Issuers
	Issuers    *ca.Issuers
	RootKey    crypto.Signer // of Authority.Root
	IssuingKey crypto.Signer // of Authority.Certificate

	t     testing.TB
	conf  store.Config
	clock atomic.Int64 // nanoseconds that Now is ahead
	sign  atomic.Pointer[func()]
	stop  func()
}

// New returns a CA on SQLite. It is closed when the test ends.
func New(t testing.TB) *CA {
	return Open(t, storetest.SQLite(t))
}

// NewAt is New for a CA whose certificates say that its lists and its responder are
// at url.
func NewAt(t testing.TB, url string) *CA {
	return open(t, storetest.SQLite(t), url)
}

// Open returns a CA on the empty store at dsn.
func Open(t testing.TB, dsn string) *CA {
	return open(t, dsn, "http://ca.hospital.example")
}

func open(t testing.TB, dsn, url string) *CA {
	c := &CA{t: t}
	h, err := ca.Create(ca.CreateConfig{TrustDomain: TrustDomain})
	require.NoError(t, err)
	c.RootKey, c.IssuingKey = h.RootKey, h.IntermediateKey
	c.Authority, err = ca.New(ca.Config{
		Certificate: h.Intermediate, Root: h.Root, Signer: &signer{h.IntermediateKey, c}, URL: url, Now: c.Now,
	})
	require.NoError(t, err)
	c.Issuers, err = ca.NewIssuers(c.Authority)
	require.NoError(t, err)
	c.conf = store.Config{DSN: dsn, Keys: audit.NewKeys(audit.NewMaster()), Origin: TrustDomain + "/log", Now: c.Now}
	c.Store = c.Replica()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	c.Registrar = c.newRegistrar(c.Store, log)
	_, err = c.Policies.Set(t.Context(), Root, "policy.toml", []byte(Policy), 0)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	c.stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(c.stop)
	return c
}

func (c *CA) newRegistrar(db *store.DB, log *slog.Logger) *enroll.Registrar {
	sealer, err := keys.NewSealer(c.IssuingKey)
	require.NoError(c.t, err)
	r, err := enroll.New(c.t.Context(), enroll.Config{Store: db, Issuers: c.Issuers, Sealer: sealer, Log: log, Now: c.Now})
	require.NoError(c.t, err)
	return r
}

// Twin is another process of this CA, with a Registrar on a store of its own. Only
// PostgreSQL takes it.
func (c *CA) Twin() (*enroll.Registrar, *store.DB) {
	db := c.Replica()
	r := c.newRegistrar(db, slog.New(slog.NewTextHandler(c.t.Output(), nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	c.t.Cleanup(func() { cancel(); require.NoError(c.t, <-done) })
	return r, db
}

// Replica opens the CA's store once more, as another process does; it is closed
// when the test ends. Only PostgreSQL takes it. change may alter the configuration.
func (c *CA) Replica(change ...func(*store.Config)) *store.DB {
	conf := c.conf
	for _, f := range change {
		f(&conf)
	}
	db, err := store.Open(c.t.Context(), conf)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, db.Close()) })
	return db
}

// NextAuthority returns the authority of a next intermediate, on record. It does not
// issue until it is set so in Issuers.
func (c *CA) NextAuthority() *ca.Authority {
	c.t.Helper()
	root, err := ca.NewRoot(c.Authority.Root(), c.RootKey, c.Now)
	require.NoError(c.t, err)
	cert, key, err := root.NextIntermediate(c.Authority.Certificate(), nil)
	require.NoError(c.t, err)
	next, err := ca.New(ca.Config{Certificate: cert, Root: root.Certificate(), Signer: key, URL: "http://ca.hospital.example", Now: c.Now})
	require.NoError(c.t, err)
	require.NoError(c.t, c.Store.AddIssuer(c.t.Context(), next.IssuerID()))
	return next
}

// Stop ends Run: what waited for the log is in it. The CA goes on issuing.
func (c *CA) Stop() { c.stop() }

// Now is the CA's clock.
func (c *CA) Now() time.Time { return time.Now().Add(time.Duration(c.clock.Load())) }

// Advance moves the CA's clock.
func (c *CA) Advance(d time.Duration) { c.clock.Add(int64(d)) }

// WhileSigning makes f run between the next decision and its commit: when
// everything is decided, and nothing on record.
func (c *CA) WhileSigning(f func()) { c.sign.Store(&f) }

// signer is the issuing key with a place to stop at.
type signer struct {
	crypto.Signer
	c *CA
}

func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if f := s.c.sign.Swap(nil); f != nil {
		(*f)()
	}
	return s.Signer.Sign(random, digest, opts)
}

// Token makes a join token and returns its text.
func (c *CA) Token(req enroll.TokenRequest) string {
	c.t.Helper()
	token, err := c.CreateToken(c.t.Context(), Root, req)
	require.NoError(c.t, err)
	return token.String()
}

// Audit returns the entries with that action, the oldest first.
func (c *CA) Audit(action string) []audit.Entry {
	c.t.Helper()
	entries, next, err := c.Store.AuditEntries(c.t.Context(), store.AuditFilter{Action: action}, store.Page{Limit: 1000})
	require.NoError(c.t, err)
	require.Empty(c.t, next)
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j] = entries[j], entries[i]
	}
	return entries
}

// Certificates returns how many certificates are on record for an identity.
func (c *CA) Certificates(path string) int {
	c.t.Helper()
	certs, _, err := c.Store.Certificates(c.t.Context(), store.CertificateFilter{Identity: path}, store.Page{Limit: 1000})
	require.NoError(c.t, err)
	return len(certs)
}

// Identity returns the identity of that path on record.
func (c *CA) Identity(path string) store.Identity {
	c.t.Helper()
	id, err := c.Store.Identity(c.t.Context(), path)
	require.NoError(c.t, err)
	return id
}

// NewKey returns a new P-256 key.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// CSR returns a request for key in DER that names the identities of those paths,
// usually none.
func CSR(t testing.TB, key crypto.Signer, paths ...string) []byte {
	t.Helper()
	template := &x509.CertificateRequest{}
	for _, path := range paths {
		template.URIs = append(template.URIs, &url.URL{Scheme: "spiffe", Host: TrustDomain, Path: "/" + path})
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	require.NoError(t, err)
	return csr
}

// Again returns a request in DER for key with the names of cert, as EST clients send
// that follow on it.
func Again(t testing.TB, cert *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		RawSubject: cert.RawSubject, URIs: cert.URIs, DNSNames: cert.DNSNames, IPAddresses: cert.IPAddresses,
	}, key)
	require.NoError(t, err)
	return csr
}

// TLS returns cert and its key as one end of a connection holds them.
func (c *CA) TLS(cert *x509.Certificate, key crypto.Signer) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, c.Authority.Certificate().Raw}, PrivateKey: key, Leaf: cert}
}
