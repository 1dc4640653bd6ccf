package main_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/store/storetest"
)

// A drill is a CA that is lost and comes back from an old backup.
type drill struct {
	t     *testing.T
	d     *daemon
	files string // where the machines are
}

// enrol enrols a machine by the tool, and returns its directory.
func (d *drill) enrol(name string) string {
	d.t.Helper()
	return d.enrolWith(name, adminapi.TokenRequest{Role: "device", Name: name})
}

func (d *drill) enrolWith(name string, r adminapi.TokenRequest) string {
	d.t.Helper()
	token, err := d.d.admin(d.t).CreateToken(d.t.Context(), r)
	require.NoError(d.t, err)
	file := filepath.Join(d.files, name+".token")
	require.NoError(d.t, os.WriteFile(file, []byte(token.Secret), 0o600))
	dir := filepath.Join(d.files, name)
	run(d.t, "betonica", "enroll", "--url", "https://"+d.d.HTTPS, "--token-file", file, "--out", dir)
	return dir
}

func (d *drill) revoke(name string) int64 {
	d.t.Helper()
	fell, err := d.d.admin(d.t).Revoke(d.t.Context(), adminapi.RevokeRequest{Identity: "device/" + name, Reason: "keyCompromise"})
	require.NoError(d.t, err)
	return fell.Number
}

// status is what openssl hears of a machine's certificate.
func (d *drill) status(machine string) string {
	d.t.Helper()
	at := func(name string) string { return filepath.Join(machine, "current", name) }
	out, err := exec.Command("openssl", "ocsp", "-issuer", at("chain.pem"), "-cert", at("cert.pem"), "-url", "http://"+d.d.HTTP+"/ocsp", "-CAfile", at("roots.pem")).Output()
	require.NoError(d.t, err)
	_, status, _ := strings.Cut(string(out), ": ")
	status, _, _ = strings.Cut(status, "\n")
	return status
}

// A machine is a relying party by its directory.
type placed struct {
	pair  tls.Certificate
	roots *x509.CertPool
}

func newPlaced(t *testing.T, dir string) *placed {
	pair, err := tls.LoadX509KeyPair(dir+"/current/cert.pem", dir+"/current/key.pem")
	require.NoError(t, err)
	text, err := os.ReadFile(dir + "/current/roots.pem")
	require.NoError(t, err)
	p := &placed{pair, x509.NewCertPool()}
	require.True(t, p.roots.AppendCertsFromPEM(text))
	return p
}

func (p *placed) Certificate() *tls.Certificate { return &p.pair }
func (p *placed) Roots() *x509.CertPool         { return p.roots }

// The CA is lost after revocations that its backup does not know of. What comes back
// signs nothing until a relying party has brought the lists that it holds; then what
// was revoked is revoked, numbers only rose for those who lived through it, the log
// owns up to the loss, a machine that saw more alarms and goes on, and so does the
// relying party.
func TestRestoreDrill(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		storetest.LeaveOut(t, "openssl is not installed")
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			var in, into []string
			if engine == "postgres" {
				cluster := storetest.Postgres(t)
				in, into = []string{"--dsn", cluster.Database(t)}, []string{"--dsn", cluster.Database(t)}
			}
			dir := newCA(t, in...)
			d := &drill{t: t, d: serve(t, dir), files: t.TempDir()}
			gateway := newPlaced(t, d.enrol("gateway"))
			early, before, monitor := d.enrol("early"), d.enrol("before"), d.enrol("monitor")
			var fell atomic.Int64 // numbers that went back
			var offered atomic.Int64
			p, err := peer.Open(t.Context(), peer.Config{
				Source: gateway, URL: "http://" + d.d.HTTP, Report: "https://" + d.d.HTTPS, State: t.TempDir(), Allow: []string{"spiffe://" + trustDomain + "/device/*"},
				Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Events: func() func(peer.Event) {
					var mu sync.Mutex
					last := map[string]int64{}
					return func(e peer.Event) {
						mu.Lock()
						defer mu.Unlock()
						if e.Kind == peer.Enforced && e.Number < last[e.Issuer] {
							fell.Add(1)
						}
						if e.Kind == peer.Enforced {
							last[e.Issuer] = e.Number
						}
						if e.Kind == peer.Offered && e.Err == nil {
							offered.Add(1)
						}
					}
				}(),
			})
			require.NoError(t, err)
			defer p.Close()
			d.revoke("before")
			backup := filepath.Join(d.files, "backup")
			run(t, "betonicad", "backup", "--dir", dir, "--out", backup, "--plain")

			// What it does not know of.
			late, stranger := d.enrol("late"), d.enrol("stranger")
			d.revoke("early")
			number := d.revoke("late")
			require.Eventually(t, func() bool { return p.Number() >= number }, patience, 10*time.Millisecond)
			require.NoError(t, d.d.stop()) // which signs a checkpoint
			at := d.d.addresses
			d.d, err = startAt(dir, at)
			require.NoError(t, err)
			run(t, "betonica", "renew", "--dir", monitor) // and learns of it
			d.d.kill()
			require.NoError(t, os.Rename(dir, dir+".lost"))

			// It comes back, and does not serve.
			restored := filepath.Join(t.TempDir(), "ca")
			run(t, "betonicad", append([]string{"restore", "--dir", restored, backup}, into...)...)
			passphrase, err := os.ReadFile(dir + ".passphrase")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(restored+".passphrase", passphrase, 0o600))
			_, err = startAt(restored, at)
			require.ErrorContains(t, err, "betonicad recover")

			// The gateway brings what it holds, and nobody else does.
			out := run(t, "betonicad", "recover", "--dir", restored, "--from-peers", "--for", "12s", "--http", at.HTTP)
			require.NotEmpty(t, strings.TrimSpace(out))
			require.EqualValues(t, 1, offered.Load())
			held := p.Number()
			require.GreaterOrEqual(t, held, number)
			d.d, err = startAt(restored, at)
			require.NoError(t, err)
			t.Cleanup(func() { d.d.kill() })

			for machine, status := range map[string]string{early: "revoked", late: "revoked", before: "revoked", stranger: "revoked"} {
				require.Equal(t, status, d.status(machine), machine)
			}
			require.Equal(t, "good", d.status(filepath.Join(d.files, "gateway")))
			require.Eventually(t, func() bool { return p.Number() > held }, patience, 10*time.Millisecond)
			number = d.revoke("monitor")
			require.Eventually(t, func() bool { return p.Number() >= number }, patience, 10*time.Millisecond)
			require.Zero(t, fell.Load())
			require.Eventually(t, func() bool {
				s, err := d.d.admin(t).Status(t.Context())
				require.NoError(t, err)
				return s.RelyingParties.Connected == 1 && s.RelyingParties.Lagging == 0
			}, patience, 10*time.Millisecond)

			// Who saw the log's lost entries says so, keeps what it saw, and goes on.
			var alarms bytes.Buffer
			token, err := d.d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "monitor-2"})
			require.NoError(t, err)
			lost := 0
			conf := agent.Config{Dir: monitor, URL: "https://" + d.d.HTTPS, Log: slog.New(slog.NewTextHandler(&alarms, nil)), Events: func(e agent.Event) {
				if e.Kind == agent.Recovered {
					lost++
				}
			}}
			join, err := api.ParseToken(token.Secret)
			require.NoError(t, err)
			_, err = agent.Enroll(t.Context(), conf, join)
			require.NoError(t, err)
			_, _, err = agent.Renew(t.Context(), conf, false)
			require.NoError(t, err)
			require.Equal(t, 1, lost, "%s", &alarms)
			kept, err := filepath.Glob(filepath.Join(monitor, "log", "recovered-*"))
			require.NoError(t, err)
			require.Len(t, kept, 2)
			require.NotContains(t, alarms.String(), "log forked")

			require.NoError(t, d.d.stop())
			require.Contains(t, run(t, "betonicad", "audit", "verify", "--dir", restored), "\nlost: ")
		})
	}
}
