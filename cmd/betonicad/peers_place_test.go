package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/storetest"
)

// A neighbourhood is a CA, and machines that it knows.
type neighbourhood struct {
	*daemon
	roots         *x509.CertPool
	good, revoked *holder
	backend       string // port of what stands behind a proxy
}

// A holder is a machine with a certificate, which keeps its TLS sessions.
type holder struct {
	name, dir string // device/good
	pair      tls.Certificate
	sessions  tls.ClientSessionCache
}

// newNeighbourhood starts a CA whose URL is an address, as one that relying parties
// without a resolver can use.
func newNeighbourhood(t *testing.T) *neighbourhood {
	at := "127.0.0.1:" + freePort(t)
	dir := newCA(t, "--url", "http://"+at)
	d, err := startAt(dir, addresses{HTTPS: "127.0.0.1:0", HTTP: at, Ops: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(d.kill)
	n := &neighbourhood{daemon: d, roots: rootsOf(t, dir)}
	n.good, n.revoked = n.enrol(t, "device", "good"), n.enrol(t, "device", "revoked")
	n.revoke(t, n.revoked)
	n.awaitList(t, n.revoked)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, n.backend, _ = net.SplitHostPort(listener.Addr().String())
	behind := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })}
	go behind.Serve(listener)
	t.Cleanup(func() { behind.Close() })
	return n
}

func (n *neighbourhood) enrol(t *testing.T, role, name string) *holder {
	t.Helper()
	token, err := n.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: role, Name: name})
	require.NoError(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(file, []byte(token.Secret), 0o600))
	h := &holder{name: role + "/" + name, dir: filepath.Join(dir, "m"), sessions: tls.NewLRUClientSessionCache(0)}
	run(t, "betonica", "enroll", "--url", "https://"+n.HTTPS, "--token-file", file, "--out", h.dir)
	h.pair, err = tls.LoadX509KeyPair(h.dir+"/current/cert.pem", h.dir+"/current/key.pem")
	require.NoError(t, err)
	return h
}

func (n *neighbourhood) revoke(t *testing.T, h *holder) {
	t.Helper()
	_, err := n.admin(t).Revoke(t.Context(), adminapi.RevokeRequest{Identity: h.name, Reason: "keyCompromise"})
	require.NoError(t, err)
}

// awaitList returns once the full list names the machine's certificate: servers that
// start from now on know of it.
func (n *neighbourhood) awaitList(t *testing.T, h *holder) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get(h.pair.Leaf.CRLDistributionPoints[0])
		require.NoError(t, err)
		defer resp.Body.Close()
		der, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		list, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		return slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
			return e.SerialNumber.Cmp(h.pair.Leaf.SerialNumber) == 0
		})
	}, patience, 20*time.Millisecond)
}

// A place is where one server runs: the recipe's files, with the paths and ports
// of here.
type place struct {
	*neighbourhood
	t       *testing.T
	recipe  recipe
	machine string // /etc/betonica/web of the recipe
	scratch string // /run/web
	conf    string // /etc/peer
	port    string // 8443
	log     logFile
}

func (n *neighbourhood) place(t *testing.T, r recipe) *place {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "betonica-peer-") // t.TempDir's parents are closed to the servers' users
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	require.NoError(t, os.Chmod(base, 0o755))
	p := &place{
		neighbourhood: n, t: t, recipe: r, machine: n.enrol(t, "service", r.folder).dir,
		scratch: base + "/run", conf: base + "/etc", port: freePort(t),
	}
	p.log, err = newLogFile()
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.Split(p.said(0), "\n")
			t.Logf("%s said:\n%s", r.server, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
	require.NoError(t, os.MkdirAll(p.scratch+"/tls", 0o755))
	from := filepath.Join("../../testdata/peers", r.folder)
	require.NoError(t, os.CopyFS(p.conf, os.DirFS(from)))
	require.NoError(t, filepath.WalkDir(p.conf, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(p.here(string(text))), 0o755)
	}))
	return p
}

// here puts the paths and ports of here in the place of an operator's.
func (p *place) here(text string) string {
	text = strings.NewReplacer(
		"/etc/betonica/web", p.machine, "/run/web", p.scratch, "/etc/peer", p.conf,
		"0.0.0.0", "127.0.0.1", "8443", p.port, "8080", p.backend,
	).Replace(text)
	if os.Getuid() != 0 { // who cannot give files away keeps them
		text = regexp.MustCompile(`-o \w+ -g \w+ `).ReplaceAllString(text, "")
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} { // nginx has them in root's directories
			text = strings.Replace(text, "\nhttp {", "\nhttp {\n    "+kind+"_temp_path "+p.scratch+"/"+kind+";", 1)
		}
	}
	return text
}

func (p *place) file(name string) string { return filepath.Join(p.conf, name) }

// agent starts betonica agent with the recipe's hook, and returns once the lists are
// there and the hook has run for them, well or not: the server is not up yet.
func (p *place) agent() {
	p.t.Helper()
	bin, err := binaries()
	require.NoError(p.t, err)
	p.run(nil, filepath.Join(bin, "betonica"), "agent", "--dir", p.machine, "--exec", p.file("reload.sh"))
	require.Eventually(p.t, func() bool {
		return exists(p.machine+"/chain.crl.pem") && strings.Contains(p.said(0), "changed=revocations")
	}, patience, 5*time.Millisecond)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run starts a program in the foreground, and ends it and its children with the
// test.
func (p *place) run(as *syscall.Credential, name string, args ...string) {
	p.t.Helper()
	cmd := p.command(as, name, args...)
	require.NoError(p.t, cmd.Start())
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	p.t.Cleanup(func() {
		// A shell's children in the background do not hear SIGINT, and outlive it.
		defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
			syscall.Kill(-cmd.Process.Pid, s)
			select {
			case <-exited:
				return
			case <-time.After(2 * time.Second):
			}
		}
		<-exited
	})
}

// finish runs a program to its end, which has to be a good one.
func (p *place) finish(as *syscall.Credential, name string, args ...string) {
	p.t.Helper()
	require.NoError(p.t, p.command(as, name, args...).Run(), "%s %q", name, args)
}

func (p *place) command(as *syscall.Credential, name string, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(program(p.t, name), args...)
	cmd.Dir = p.scratch
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.Stdout, cmd.Stderr = p.log.File, p.log.File
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	return cmd
}

func (p *place) chown(path string, as *syscall.Credential) {
	if as != nil {
		require.NoError(p.t, os.Chown(path, int(as.Uid), int(as.Gid)))
	}
}

// said is what the server has logged, from an offset on that an earlier len(said(0))
// gave.
func (p *place) said(from int) string {
	text := p.log.String()
	if own, err := os.ReadFile(p.scratch + "/error.log"); err == nil {
		text = string(own) // what else it says is of its start
	}
	return text[min(from, len(text)):]
}

// program returns where a program of the system is. One that is not there leaves the
// server out, aloud, and fails the test where everything has to be there.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, pattern := range []string{"/usr/sbin/" + name, "/usr/lib/postgresql/*/bin/" + name, "/usr/lib/jvm/default-java/bin/" + name} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		storetest.LeaveOut(t, name+" is not installed")
	}
	return path
}

// said returns all that a program prints, whatever its exit code.
func said(path string, args ...string) string {
	out, _ := exec.Command(path, args...).CombinedOutput()
	return string(out)
}

func accountOf(t testing.TB, name string) *syscall.Credential {
	u, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// freePort returns a port of the loopback that was free a moment ago: these servers
// cannot say which one the kernel chose.
func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}
