package main_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
)

// A guest is a program of others that goes through two guards, and knows nothing of them.
type guest struct {
	name    string
	needs   []string
	scheme  string // of the client's guard
	kind    record.Kind
	backend func(*ward) (url string, end func())
	session func(w *ward, at string) *process // returns once it has had an answer, and goes on, doing nothing
	busy    func(w *ward, at string) *process // the same, but it waits for the backend
	broken  string                            // why, when the backend dies meanwhile; "": to whoever passes bytes that looks like an end
}

var guests = []guest{
	{"psql", []string{"psql", "postgres", "initdb"}, "tls", record.Connection, (*ward).postgres, (*ward).psql, (*ward).query, ""},
	{"mosquitto_sub", []string{"mosquitto", "mosquitto_sub", "mosquitto_pub"}, "tls", record.Connection, (*ward).broker, (*ward).subscribe, (*ward).subscribe, ""},
	{"curl --http1.1", []string{"curl", "nginx"}, "https", record.Request, (*ward).files, curling("--http1.1", true), curling("--http1.1", false), "target: "},
	{"curl --http2", []string{"curl", "nginx"}, "https", record.Request, (*ward).files, curling("--http2-prior-knowledge", true), curling("--http2-prior-knowledge", false), "target: "},
}

// Programs of others go through two guards, each in the middle of a session: one whose
// machine is revoked is cut, one that does nothing is cut, one whose server dies ends.
// Both guards' journals verify, and the server's says who, and how it ended.
func TestGuardPrograms(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	for _, g := range guests {
		t.Run(g.name, func(t *testing.T) {
			for _, needed := range g.needs {
				program(t, needed)
			}
			t.Run("revoked", func(t *testing.T) { g.revoked(w.in(t)) })
			t.Run("idle", func(t *testing.T) { g.idle(w.in(t)) })
			t.Run("dead", func(t *testing.T) { g.dead(w.in(t)) })
		})
	}
}

// A machine whose certificate runs out in the middle of a session has had its session: it
// is cut within seconds, whatever speaks there, and let in no more.
func TestGuardExpiry(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.adopt("\n[role.visitor]\nnames = [\"*\"]\nusages = [\"client\"]\nlifetime = \"20s\"\n")
	for _, g := range guests {
		t.Run(g.name, func(t *testing.T) {
			for _, needed := range g.needs {
				program(t, needed)
			}
			t.Parallel() // what they wait for is the clock
			g.expires(w.in(t))
		})
	}
}

// in is the ward for a part of a test.
func (w *ward) in(t testing.TB) *ward {
	return &ward{TB: t, daemon: w.daemon, admin: w.admin, roots: w.roots}
}

// A passage is two guards with a backend behind them, and a session through both.
type passage struct {
	server, client *sentry
	end            func() // of the backend
	session        *process
}

// pass starts a session through two guards.
func (g guest) pass(w *ward, session func(*ward, string) *process, args ...string) passage {
	url, end := g.backend(w)
	p := passage{end: end}
	name := randomName()
	p.server = w.before(w.enrol("service", "s-"+name), url, args...)
	p.client = w.beside(w.enrol("device", "d-"+name), g.scheme, p.server)
	p.session = session(w, p.client.address())
	return p
}

// over is the record with which the session ended, at a guard.
func (g guest) over(s *sentry) record.Record {
	return s.recorded("of the end", func(r record.Record) bool {
		if g.kind == record.Connection {
			return r.Operation == "close"
		}
		return r.Outcome == record.Failed
	})
}

// verify ends the guards, whose journals have to add up.
func (p passage) verify() {
	p.session.kill()
	for _, s := range []*sentry{p.client, p.server} {
		require.NoError(s.w, s.stop(), "%s", s.log)
		require.Positive(s.w, s.verify().Last)
	}
}

func (g guest) revoked(w *ward) {
	p := g.pass(w, g.session)
	w.revoke(p.client.machine)
	end := p.server.recorded("of the cut", func(r record.Record) bool { return r.Outcome == record.Cut })
	require.Equal(w, []any{g.kind, "revoked", p.client.machine.id()}, []any{end.Kind, end.Reason, end.Caller})
	require.Equal(w, p.client.machine.pair(w).Leaf.SerialNumber.Text(16), strings.TrimLeft(end.Serial, "0"))
	require.Positive(w, end.Out)
	if c, err := p.server.dial(p.client.machine.pair(w)); err == nil {
		_, err = c.Read(make([]byte, 1))
		require.Error(w, err)
		c.Close()
	}
	p.server.recorded("of the refusal", func(r record.Record) bool {
		return r.Outcome == record.Refused && r.Caller == p.client.machine.id() && strings.Contains(r.Reason, "revoked")
	})
	p.verify()
}

// expires has the client's certificate run out. It is issued when all else is there, so
// that the session begins within its time.
func (g guest) expires(w *ward) {
	url, end := g.backend(w)
	name := randomName()
	p := passage{end: end, server: w.before(w.enrol("service", "s-"+name), url)}
	visitor := w.enrol("visitor", "v-"+name)
	p.client = w.beside(visitor, g.scheme, p.server)
	p.session = g.session(w, p.client.address())
	cut := p.server.recorded("of the cut", func(r record.Record) bool { return r.Outcome == record.Cut })
	require.Equal(w, []any{g.kind, "expired", visitor.id()}, []any{cut.Kind, cut.Reason, cut.Caller})
	require.Positive(w, cut.Out)
	notAfter := visitor.pair(w).Leaf.NotAfter
	require.False(w, cut.End.Before(notAfter))
	require.Less(w, cut.End.Sub(notAfter), 30*time.Second)
	if c, err := p.server.dial(visitor.pair(w)); err == nil {
		_, err = c.Read(make([]byte, 1))
		require.Error(w, err)
		c.Close()
	}
	p.server.recorded("of the refusal", func(r record.Record) bool {
		return r.Outcome == record.Refused && strings.Contains(r.Reason, "expired") && strings.Contains(r.Reason, visitor.id())
	})
	p.verify()
}

func (g guest) idle(w *ward) {
	p := g.pass(w, g.session, "--idle", "1s")
	end := p.server.recorded("of the cut", func(r record.Record) bool { return r.Outcome == record.Cut })
	require.Equal(w, []any{g.kind, "idle", p.client.machine.id()}, []any{end.Kind, end.Reason, end.Caller})
	p.verify()
}

func (g guest) dead(w *ward) {
	p := g.pass(w, g.busy)
	p.end()
	end := g.over(p.server)
	require.Equal(w, p.client.machine.id(), end.Caller)
	if g.broken != "" {
		require.Equal(w, record.Failed, end.Outcome)
		require.Contains(w, end.Reason, g.broken)
	}
	again := begun(w, nil, "curl", "-s", "--max-time", "20", "http://"+p.client.address()) // whatever it speaks
	p.server.recorded("of a target that is not there", func(r record.Record) bool {
		return r.Outcome == record.Failed && strings.HasPrefix(r.Reason, "target: ") && r != end
	})
	again.kill()
	p.verify()
}

// begun starts a program of others as somebody, and ends it with the test.
func begun(w *ward, as *syscall.Credential, name string, args ...string) *process {
	w.Helper()
	cmd := exec.Command(program(w, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	p, err := begin(cmd)
	require.NoError(w, err)
	w.Cleanup(func() {
		p.kill()
		if w.Failed() {
			w.Logf("%s said:\n%s", name, p.log.tail())
		}
	})
	return p
}

// scratchFor is a folder that a server's own user may use.
func (w *ward) scratchFor(as *syscall.Credential) string {
	dir, err := os.MkdirTemp("/tmp", "betonica-guest-")
	require.NoError(w, err)
	w.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(w, os.Chmod(dir, 0o755))
	if as != nil {
		require.NoError(w, os.Chown(dir, int(as.Uid), int(as.Gid)))
	}
	return dir
}

// postgres starts a PostgreSQL that listens at a Unix socket only.
func (w *ward) postgres() (string, func()) {
	as := ownerOf(w, "postgres")
	dir := w.scratchFor(as)
	made := begun(w, as, "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D", dir+"/data")
	<-made.exited
	require.NoError(w, made.err, "%s", made.log)
	p := begun(w, as, "postgres", "-D", dir+"/data", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	socket := dir + "/.s.PGSQL.5432"
	require.Eventually(w, func() bool { return strings.Contains(p.log.String(), "ready to accept") }, patience, 5*time.Millisecond, "%s", p.log)
	w.Cleanup(func() { p.stop() }) // before it is killed, so that none of its children outlives it
	return "tcp+unix:" + socket, p.kill
}

// psql is a session that has had an answer to one query.
func (w *ward) psql(at string) *process {
	host, port, _ := strings.Cut(at, ":")
	cmd := exec.Command(program(w, "psql"), "-XAt", "host="+host+" port="+port+" user=postgres dbname=postgres sslmode=disable")
	in, err := cmd.StdinPipe()
	require.NoError(w, err)
	p, err := begin(cmd)
	require.NoError(w, err)
	w.Cleanup(p.kill)
	_, err = io.WriteString(in, "SELECT 'answer ' || 42;\n")
	require.NoError(w, err)
	p.says(w, "answer 42")
	return p
}

// query is a session that waits for the answer to its second query.
func (w *ward) query(at string) *process {
	host, port, _ := strings.Cut(at, ":")
	p := begun(w, nil, "psql", "-XAt", "-c", "SELECT 'answer ' || 42", "-c", "SELECT pg_sleep(3600)",
		"host="+host+" port="+port+" user=postgres dbname=postgres sslmode=disable")
	p.says(w, "answer 42")
	return p
}

// says returns once a program has said something.
func (p *process) says(w *ward, what string) {
	w.Helper()
	require.Eventually(w, func() bool { return strings.Contains(p.log.String(), what) }, patience, 5*time.Millisecond, "it does not say %q, but %s", what, p.log)
}

// broker starts a Mosquitto.
func (w *ward) broker() (string, func()) {
	as := ownerOf(w, "mosquitto")
	dir, port := w.scratchFor(as), freePort(w)
	conf := filepath.Join(dir, "mosquitto.conf")
	require.NoError(w, os.WriteFile(conf, []byte("listener "+port+" 127.0.0.1\nallow_anonymous true\n"), 0o644))
	p := begun(w, as, "mosquitto", "-c", conf)
	require.Eventually(w, func() bool { return reachable("127.0.0.1:" + port) }, patience, 5*time.Millisecond, "%s", p.log)
	return "tcp://127.0.0.1:" + port, p.kill
}

// subscribe is a subscriber who has got what another session left.
func (w *ward) subscribe(at string) *process {
	host, port, _ := strings.Cut(at, ":")
	left := begun(w, nil, "mosquitto_pub", "-h", host, "-p", port, "-t", "beds/1", "-r", "-m", "is taken")
	<-left.exited
	require.NoError(w, left.err, "%s", left.log)
	p := begun(w, nil, "mosquitto_sub", "-h", host, "-p", port, "-t", "beds/#", "-v")
	p.says(w, "beds/1 is taken")
	return p
}

// files starts an nginx that has a large file.
func (w *ward) files() (string, func()) {
	p, at, root := w.nginxIn()
	f, err := os.Create(filepath.Join(root, "large"))
	require.NoError(w, err)
	require.NoError(w, f.Truncate(256<<20))
	require.NoError(w, f.Close())
	return "http://" + at, p.kill
}

// curling is a download that goes on for hours: because curl takes nothing more for now,
// or because the server is that slow.
func curling(version string, lazy bool) func(*ward, string) *process {
	return func(w *ward, at string) *process {
		to := filepath.Join(w.TempDir(), "large")
		args := []string{"-sSN", version, "-o", to, "http://" + at + "/slow/large"}
		if lazy {
			args = []string{"-sSN", version, "-o", to, "--limit-rate", "1k", "http://" + at + "/large"}
		}
		p := begun(w, nil, "curl", args...)
		require.Eventually(w, func() bool {
			info, err := os.Stat(to)
			return err == nil && info.Size() > 0
		}, patience, 5*time.Millisecond, "%s", p.log)
		return p
	}
}
