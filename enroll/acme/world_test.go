package acme_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// policy is what a world starts with: devices with a token, and web servers
// without.
const policy = `
[role.device]
dns = ["{name}.devices.example", "*.shared.example"]
ip = ["127.0.0.0/8", "::1/128"]
usages = ["client", "server"]

[role.web]
dns = ["{name}", "*.web.example"]
names = ["*.*", "*.*.*", "*.*.*.*"]
ip = ["127.0.0.0/8"]
usages = ["server"]
lifetime = "30d"
`

// A world is a CA with a listener that speaks ACME, and a validator that connects
// to loopback.
type world struct {
	*enrolltest.CA
	t       *testing.T
	handler *acme.Handler
	server  *httptest.Server
	twins   []*acme.Handler // of the processes: each request is answered by the next
	moving  []*enroll.Registrar
	turn    atomic.Int64
	client  *http.Client

	site *site // where challenges are looked for
}

// newWorld begins one. change may edit the configuration.
func newWorld(t *testing.T, change func(*acme.Config)) *world {
	return openWorld(t, storetest.SQLite(t), 0, change)
}

func openWorld(t *testing.T, dsn string, twins int, change func(*acme.Config)) *world {
	w := &world{CA: enrolltest.Open(t, dsn), t: t, site: newSite(t)}
	_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(policy), w.Policies.Current().Version())
	require.NoError(t, err)
	validator, err := validate.New(validate.Config{
		HTTPPort: port(w.site.http), TLSALPNPort: port(w.site.alpn), Resolver: w.site.dns.LocalAddr().String(),
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	require.NoError(t, err)
	config := acme.Config{
		Registrar: w.Registrar, Store: w.Store, Issuers: w.Issuers, Validator: validator, Revoker: revoker{w.Store},
		Names: []string{"127.0.0.1", "ca.hospital.example"}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: w.Now,
		Settings: acme.Settings{RequireEAB: true, DefaultRole: "web"},
	}
	if change != nil {
		change(&config)
	}
	w.handler = w.run(config)
	w.twins, w.moving = []*acme.Handler{w.handler}, []*enroll.Registrar{w.Registrar}
	for range twins {
		config.Registrar, config.Store = w.Twin()
		config.Revoker = revoker{config.Store}
		w.twins, w.moving = append(w.twins, w.run(config)), append(w.moving, config.Registrar)
	}
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.twins[int(w.turn.Add(1))%len(w.twins)].ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)
	w.client = w.server.Client()
	return w
}

// SetMove sets the move of every process.
func (w *world) SetMove(m *enroll.Move) {
	for _, r := range w.moving {
		r.SetMove(m)
	}
}

func (w *world) run(config acme.Config) *acme.Handler {
	handler, err := acme.New(config)
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- handler.Run(ctx) }()
	w.t.Cleanup(sync.OnceFunc(func() { cancel(); require.NoError(w.t, <-done) }))
	return handler
}

// eachWorld runs f on both engines, and where several processes share one and each
// request is answered by the next of them.
func eachWorld(t *testing.T, change func(*acme.Config), f func(t *testing.T, w *world)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) { f(t, openWorld(t, dsn, 0, change)) })
	t.Run("replicas", func(t *testing.T) { f(t, openWorld(t, storetest.Postgres(t).Database(t), 2, change)) })
}

// open has no need of a token.
func open(c *acme.Config) { c.Settings.RequireEAB = false }

func (w *world) url(path string) string { return w.server.URL + path }

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// eab makes a token for one identity, and returns its kid and HMAC key.
func (w *world) eab(role, name string) (kid string, key []byte) {
	w.t.Helper()
	return w.newEAB(enroll.TokenRequest{Role: role, Name: name})
}

// eabReplace makes one that replaces what the identity has.
func (w *world) eabReplace(role, name string) (kid string, key []byte) {
	w.t.Helper()
	return w.newEAB(enroll.TokenRequest{Role: role, Name: name, Replace: true})
}

func (w *world) newEAB(req enroll.TokenRequest) (kid string, key []byte) {
	w.t.Helper()
	req.EAB = true
	token, err := w.CreateToken(w.t.Context(), enrolltest.Root, req)
	require.NoError(w.t, err)
	id, secret := token.ID(), token.Secret
	return store.TokenID(id).String(), secret[:]
}

// revoker revokes in the store, as package revoke does.
type revoker struct{ db *store.DB }

func (r revoker) RevokeCertificate(ctx context.Context, by acme.Requester, serial store.Serial, reason int) error {
	fresh := false
	err := r.db.UpdateAlone(ctx, func(ctx context.Context, tx *store.AloneTx) (audit.Event, error) {
		var err error
		_, fresh, err = tx.RevokeCertificate(ctx, serial, reason)
		return audit.Event{Action: "certificate.revoke", Actor: by.Name, Subject: by.Identity, Outcome: "ok"}, err
	})
	if err == nil && !fresh {
		return acme.ErrAlreadyRevoked
	}
	return err
}

// csr returns a request in DER for these names.
func csr(t *testing.T, key *ecdsa.PrivateKey, names ...string) []byte {
	t.Helper()
	template := &x509.CertificateRequest{}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	require.NoError(t, err)
	return der
}

// leaf returns the first certificate of a chain in PEM.
func leaf(t *testing.T, chain []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(chain)
	require.NotNil(t, block)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

// get asks without a signature.
func (w *world) get(method, path string) (*http.Response, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url(path), nil)
	require.NoError(w.t, err)
	return w.do(req)
}

func (w *world) do(req *http.Request) (*http.Response, []byte) {
	w.t.Helper()
	resp, err := w.client.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp, body
}

// post sends a body as ACME's media type.
func (w *world) post(target string, body []byte) (*http.Response, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, target, bytes.NewReader(body))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/jose+json")
	return w.do(req)
}
