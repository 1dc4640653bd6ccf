package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/storetest"
)

// A fleet is three daemons on one PostgreSQL, the last of which reaches it through a
// tap. Its first one's folder was made by init, the others' by join.
type fleet struct {
	t       *testing.T
	cluster *storetest.Cluster
	dsn     string
	tap     *tap
	dirs    []string
	daemons []*daemon
	roots   *x509.CertPool
	issuer  *x509.Certificate // the first intermediate

	crowd  *load
	fallen map[string]bool // serials that a revocation named before it returned
}

// newFleet starts the daemons. Names are what all of them answer to.
func newFleet(t *testing.T, names ...string) *fleet {
	cluster := storetest.Private(t)
	f := &fleet{t: t, cluster: cluster, dsn: cluster.Database(t), fallen: map[string]bool{}}
	var args []string
	for _, name := range names {
		args = append(args, "--dns", name)
	}
	first := newCA(t, append(args, "--dsn", f.dsn)...)
	f.roots, f.crowd, f.dirs = rootsOf(t, first), newLoad(t, first), []string{first}
	block, _ := pem.Decode(read(t, filepath.Join(first, "keys", "intermediate.pem")))
	var err error
	f.issuer, err = x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	var tapped string
	f.tap, tapped = newTap(t, f.dsn)
	for i, dsn := range []string{f.dsn, tapped} {
		dir := filepath.Join(t.TempDir(), "ca")
		require.NoError(t, os.WriteFile(dir+".passphrase", read(t, first+".passphrase"), 0o600))
		run(t, "betonicad", "join", "--dsn", dsn, "--dir", dir, "--name", fmt.Sprintf("ca-%d", i+2))
		f.dirs = append(f.dirs, dir)
	}
	for _, dir := range f.dirs {
		replaceIn(t, filepath.Join(dir, "betonica.toml"), `# heartbeat = "10s"`, `heartbeat = "1s"`)
		f.daemons = append(f.daemons, serve(t, dir))
	}
	f.ready(t)
	return f
}

// ready returns once all daemons are, and each sees the others live.
func (f *fleet) ready(t *testing.T) {
	t.Helper()
	for _, d := range f.daemons {
		d.awaitReadiness(t, http.StatusOK)
	}
	require.Eventually(t, func() bool {
		for _, d := range f.daemons {
			if len(f.live(t, d)) != len(f.daemons) {
				return false
			}
		}
		return true
	}, patience, 20e6)
}

// live returns the replicas that live, as one of them sees it; none if it does not
// answer.
func (f *fleet) live(t *testing.T, d *daemon) (names []string) {
	s, err := d.admin(t).Status(t.Context())
	if err != nil {
		return nil
	}
	for _, r := range s.Replicas {
		if r.Live {
			names = append(names, r.Name)
		}
	}
	return names
}

// eldest returns the index of the daemon that does what one does for all.
func (f *fleet) eldest(t *testing.T) (at int) {
	names := map[string]int{"betonicad": 0, "ca-2": 1, "ca-3": 2}
	at = -1
	require.Eventually(t, func() bool {
		s, err := f.daemons[0].admin(t).Status(t.Context())
		require.NoError(t, err)
		for _, r := range s.Replicas {
			if r.Eldest {
				at = names[r.Name]
			}
		}
		return at >= 0
	}, patience, 20e6)
	return at
}

// A subject is a machine of the fleet's CA.
type subject struct {
	identity string
	cert     tls.Certificate
	file     string // its chain
	issuer   string // who issued it
}

// enrol has a machine enrol with a daemon, and returns its certificate.
func (f *fleet) enrol(t *testing.T, d *daemon, role, name string) *subject {
	t.Helper()
	token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: role, Name: name})
	require.NoError(t, err)
	return f.enrolWith(t, d, token.Secret, role+"/"+name)
}

// enrolWith is enrol with a token of whichever daemon's.
func (f *fleet) enrolWith(t *testing.T, d *daemon, token, identity string) *subject {
	t.Helper()
	c, err := dial(d.HTTPS, f.roots)
	require.NoError(t, err)
	defer c.Close()
	e := newRequest(t)
	status, chain, err := c.post(api.PathEnroll, token, e.csr)
	require.NoError(t, expect(http.StatusCreated)(status, chain, err))
	cert, err := e.certificate(chain)
	require.NoError(t, err)
	f.crowd.hold(cert.Leaf)
	h := &subject{identity: identity, cert: cert, file: filepath.Join(t.TempDir(), "cert.pem")}
	h.issuer = h.file + ".issuer"
	require.NoError(t, os.WriteFile(h.file, chain, 0o600))
	require.NoError(t, os.WriteFile(h.issuer, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[1]}), 0o600))
	return h
}

// revoke has a daemon revoke somebody, who is noted for the end.
func (f *fleet) revoke(t *testing.T, d *daemon, h *subject) adminapi.Fallen {
	t.Helper()
	fell, err := d.admin(t).Revoke(t.Context(), adminapi.RevokeRequest{Identity: h.identity})
	require.NoError(t, err)
	require.Positive(t, fell.Number)
	f.fallen[serialOf(h.cert.Leaf)] = true
	return fell
}

// asked returns what openssl hears from a daemon of a certificate: good, revoked, or
// try later.
func (f *fleet) asked(t *testing.T, d *daemon, h *subject) string {
	t.Helper()
	out, err := exec.Command(program(t, "openssl"), "ocsp", "-issuer", h.issuer, "-cert", h.file,
		"-url", "http://"+d.HTTP+"/ocsp", "-CAfile", f.dirs[0]+".root/root.pem", "-no_nonce").CombinedOutput()
	text := string(out)
	for _, is := range []string{"good", "revoked"} {
		if strings.Contains(text, h.file+": "+is) && strings.Contains(text, "Response verify OK") {
			return is
		}
	}
	if strings.Contains(text, "trylater") {
		return "try later"
	}
	require.Fail(t, "openssl", "%v: %s", err, text)
	return ""
}

// kill kills a daemon; restart starts it again where it was.
func (f *fleet) kill(i int) { f.daemons[i].kill() }

func (f *fleet) restart(t *testing.T, i int) {
	t.Helper()
	f.daemons[i].kill()
	d, err := startAt(f.dirs[i], f.daemons[i].addresses)
	require.NoError(t, err)
	f.t.Cleanup(d.kill)
	f.daemons[i] = d
}

// count asks the database a question, as an outsider would.
func (f *fleet) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	db, err := sql.Open("pgx", f.dsn)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow(query, args...).Scan(&n))
	return n
}

func (f *fleet) execute(t *testing.T, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("pgx", f.dsn)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement, args...)
	require.NoError(t, err)
}

// end stops the daemons, and holds what was acknowledged against what is on record.
func (f *fleet) end(t *testing.T) {
	for _, d := range f.daemons {
		require.NoError(t, d.stop())
	}
	f.crowd.compare(t, "pgx", f.dsn)
	for serial := range f.fallen {
		require.Equal(t, 1, f.count(t, `SELECT count(*) FROM revocations WHERE serial = decode($1, 'hex')`, serial), serial)
	}
	for _, dir := range f.dirs {
		run(t, "betonicad", "audit", "verify", "--dir", dir)
	}
	t.Logf("%d certificates held, %d revoked, all on record", len(f.crowd.held), len(f.fallen))
}

// hold remembers a certificate that a machine has.
func (l *load) hold(cert *x509.Certificate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[serialOf(cert)] = true
}

// fetched returns what a daemon serves to relying parties.
func fetched(d *daemon, path string) ([]byte, error) {
	resp, err := http.Get("http://" + d.HTTP + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	return text, err
}
