package main_test

import (
	"flag"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var updatePeers = flag.Bool("update-peers", false, "have TestPeers write testdata/peers/README.md")

// A recipe is a folder of testdata/peers: how a server that is not ours comes to
// refuse whom we revoked.
type recipe struct {
	folder string
	server string   // as the table names it
	needs  []string // programs; the first is asked for its version
	ask    []string // arguments that make it say its version
	is     string   // pattern with the version in brackets: as much of it as stays the same in one Debian
	method string   // how it learns, for the table
	wants  string   // what an operator has to know, for the table

	hooked bool                                 // betonica agent runs reload.sh
	start  func(*place)                         // starts the server in the foreground
	knock  func(*place, *holder) (string, bool) // what the client saw, and whether it was let in
	says   string                               // pattern: a refusal for being revoked, in what the client saw or the server logged
	live   func(*place, *holder) <-chan error   // opens a session that has to end; nil: there are none
}

// recipes are in the order of the table.
var recipes = []recipe{
	{
		folder: "nginx", server: "nginx", needs: []string{"nginx"}, ask: []string{"-v"}, is: `nginx/(\d+\.\d+)`,
		method: "`ssl_crl`, reload", wants: "a list of every CA: `chain.crl.pem`", hooked: true,
		start: func(p *place) { p.run(nil, "nginx", "-c", p.file("nginx.conf"), "-g", "daemon off;") },
		knock: get, says: `\(23:certificate revoked\)`,
	}, {
		folder: "nginx-ocsp", server: "nginx", needs: []string{"nginx"}, ask: []string{"-v"}, is: `nginx/(\d+\.\d+)`,
		method: "`ssl_ocsp leaf`", wants: "a URL without a host name, or a `resolver`; no `ssl_ocsp_cache`; no TLS sessions that go on",
		start: func(p *place) { p.run(nil, "nginx", "-c", p.file("nginx.conf"), "-g", "daemon off;") },
		knock: get, says: `certificate revoked`,
	}, {
		folder: "haproxy", server: "HAProxy", needs: []string{"haproxy", "socat"}, ask: []string{"-v"}, is: `version (\d+\.\d+)`,
		method: "`crl-file`, admin socket", wants: "a list of every CA; `tune.bufsize` above its size; no TLS sessions that go on", hooked: true,
		start: func(p *place) { p.run(nil, "haproxy", "-db", "-f", p.file("haproxy.cfg")) },
		knock: get, says: `revoked certificate`,
	}, {
		folder: "postgresql", server: "PostgreSQL", needs: []string{"postgres", "initdb", "psql"}, ask: []string{"--version"}, is: `\) (\d+)`,
		method: "`ssl_crl_file`, reload", wants: "a list of every CA; files of its own user", hooked: true,
		start: startPostgres, knock: psql, says: `certificate revoked`,
	}, {
		folder: "mosquitto", server: "Mosquitto", needs: []string{"mosquitto"}, ask: []string{"-h"}, is: `version (\d+\.\d+)`,
		method: "`crlfile`, restart", wants: "a restart: a reload leaves live sessions alone", hooked: true,
		start: startMosquitto, knock: mqtt, says: `revoked certificate`, live: mqttSession,
	}, {
		folder: "apache", server: "Apache httpd", needs: []string{"apache2"}, ask: []string{"-v"}, is: `Apache/(\d+\.\d+)`,
		method: "`SSLCARevocationFile`, reload", wants: "a list of every CA, for `SSLCARevocationCheck chain`", hooked: true,
		start: func(p *place) { p.run(nil, "apache2", "-DFOREGROUND", "-f", p.file("apache2.conf")) },
		knock: get, says: `revoked certificate`,
	}, {
		folder: "apache-ocsp", server: "Apache httpd", needs: []string{"apache2"}, ask: []string{"-v"}, is: `Apache/(\d+\.\d+)`,
		method: "`SSLOCSPEnable leaf`", wants: "no TLS sessions that go on",
		start: func(p *place) { p.run(nil, "apache2", "-DFOREGROUND", "-f", p.file("apache2.conf")) },
		knock: get, says: `revoked certificate|certificate revoked`,
	}, {
		folder: "stunnel", server: "stunnel", needs: []string{"stunnel4"}, ask: []string{"-version"}, is: `stunnel (\d+\.\d+)`,
		method: "`OCSPaia`", wants: "no TLS sessions that go on",
		start: func(p *place) { p.run(nil, "stunnel4", p.file("stunnel.conf")) },
		knock: get, says: `revoked`,
	}, {
		folder: "openssl", server: "openssl s_server", needs: []string{"openssl"}, ask: []string{"version"}, is: `OpenSSL (\d+\.\d+)`,
		method: "`-crl_check -CRL`, restart", wants: "no `-crl_download`: it refuses everyone", hooked: true,
		start: func(p *place) { p.run(nil, "sh", p.file("run.sh")) },
		knock: get, says: `revoked certificate`,
	}, {
		folder: "java", server: "Java PKIX", needs: []string{"java"}, ask: []string{"-version"}, is: `version "(\d+)`,
		method: "`PKIXRevocationChecker`, OCSP", wants: "no `SOFT_FAIL`; no TLS sessions that go on",
		start: func(p *place) { p.run(nil, "java", p.file("Server.java"), p.machine, "127.0.0.1", p.port) },
		knock: get, says: `reason: KEY_COMPROMISE`,
	},
}

// Servers that others wrote refuse whom we revoked, each configured as its recipe
// says: the good are let in, those revoked before are refused for that reason, one
// that is let in and then revoked is refused soon, and the good are let in still.
// What the table in testdata/peers says is what was seen.
func TestPeers(t *testing.T) {
	w := newNeighbourhood(t)
	table := readPeersTable(t)
	for _, r := range recipes {
		t.Run(r.folder, func(t *testing.T) {
			seen := row{server: r.server, version: r.version(t), method: r.method, wants: r.wants}
			p := w.place(t, r)
			if r.hooked {
				p.agent()
			}
			r.start(p)

			p.until("good", w.good, true)
			seen.good = "accepted"
			p.until("revoked", w.revoked, false)
			seen.revoked = "refused"

			later := w.enrol(t, "device", "later-"+r.folder)
			p.until("not yet revoked", later, true)
			var session <-chan error
			if r.live != nil {
				session = r.live(p, later)
			}
			w.revoke(t, later)
			at := time.Now()
			p.awaitRefusal(later)
			seen.later = classOf(time.Since(at))
			t.Logf("%s, %s: refused %d ms after the revocation", r.server, r.method, time.Since(at).Milliseconds())
			if session != nil {
				select {
				case err := <-session:
					require.Error(t, err)
					t.Logf("its session ended within %d ms: %v", time.Since(at).Milliseconds(), err)
				case <-time.After(patience):
					t.Fatal("the session of a revoked client goes on")
				}
			}
			p.until("good, afterwards", w.good, true)
			table.see(t, r.folder, seen)
		})
	}
	table.done(t)
}

// version is what the program says of itself.
func (r recipe) version(t *testing.T) string {
	for _, name := range r.needs {
		program(t, name)
	}
	out := said(program(t, r.needs[0]), r.ask...)
	found := regexp.MustCompile(r.is).FindStringSubmatch(out)
	require.NotNil(t, found, "%s", out)
	return found[1]
}

// startPostgres makes a cluster, as the server's own user, and starts it.
func startPostgres(p *place) {
	as := ownerOf(p.t, "postgres")
	for _, dir := range []string{p.scratch, p.scratch + "/tls"} {
		p.chown(dir, as)
	}
	data := p.scratch + "/data"
	p.finish(as, "initdb", "-A", "reject", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D", data)
	for _, name := range []string{"postgresql.conf", "pg_hba.conf", "pg_ident.conf"} {
		text, err := os.ReadFile(p.file(name))
		require.NoError(p.t, err)
		require.NoError(p.t, os.WriteFile(data+"/"+name, text, 0o644)) // over what initdb made
		p.chown(data+"/"+name, as)
	}
	p.finish(as, "sh", "-c", `echo 'CREATE ROLE reader LOGIN' | "$0" --single -D "$1" postgres`, program(p.t, "postgres"), data)
	p.run(as, "postgres", "-D", data)
}

// startMosquitto starts the broker, and again when it ends, as systemd would.
func startMosquitto(p *place) {
	as := ownerOf(p.t, "mosquitto")
	p.chown(p.scratch, as)
	p.run(as, "sh", "-c", `while :; do "$0" -c "$1"; done`, program(p.t, "mosquitto"), p.file("mosquitto.conf"))
}

// ownerOf returns the account that a server runs as; nil if we are not root, and
// so cannot choose.
func ownerOf(t testing.TB, name string) *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return accountOf(t, name)
}
