package main

import (
	"crypto/x509"
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// Whatever is wrong is found by the check that is there for it, and under it stands the
// way out.
func TestDoctorFinds(t *testing.T) {
	t.Parallel()
	other := newCA(t)
	day := 24 * time.Hour
	d := ran(t)
	restore := kept(t, filepath.Dir(string(d)), filepath.Dir(passphraseOf(t, d)))
	restore(t)
	requireWell(t, examined(t, d, 0))
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, d layout)
		ahead time.Duration // of the clock
		check string
		state doctor.Verdict
		what  string
		do    string
	}{
		{"unknown key", func(t *testing.T, d layout) { rewrite(t, d.config(), "[server]", "[server]\nnonsense = 1") }, 0,
			"configuration", doctor.Failed, `unknown key "server.nonsense"`, "mend the line"},
		{"policy", func(t *testing.T, d layout) { replace(t, d.policy(), []byte("[role.x]\nnonsense = 1\n")) }, 0,
			"configuration", doctor.Failed, "policy.toml:2", "mend the line"},
		{"open file", func(t *testing.T, d layout) { require.NoError(t, os.Chmod(d.rootCRL(), 0o644)) }, 0,
			"folder", doctor.Failed, "root.crl has mode 0644", "chmod go= "},
		{"open folder", func(t *testing.T, d layout) { require.NoError(t, os.Chmod(string(d), 0o755)) }, 0,
			"folder", doctor.Failed, "has mode 0755", "chmod go= "},
		{"wrong passphrase", func(t *testing.T, d layout) { replace(t, passphraseOf(t, d), []byte("wrong")) }, 0,
			"keys", doctor.Failed, "wrong passphrase", "check the passphrase file"},
		{"no passphrase", func(t *testing.T, d layout) { require.NoError(t, os.Remove(passphraseOf(t, d))) }, 0,
			"keys", doctor.Failed, "no such file", "put the passphrase back"},
		{"open passphrase", func(t *testing.T, d layout) { require.NoError(t, os.Chmod(passphraseOf(t, d), 0o640)) }, 0,
			"separation", doctor.Failed, "has mode 0640", "chmod go= "},
		{"another CA's root", func(t *testing.T, d layout) {
			replace(t, d.rootCertificate(), contents(t, layout(other).rootCertificate()))
		}, 0, "keys", doctor.Failed, "is not signed by the root", "another CA's"},
		{"another log key", func(t *testing.T, d layout) { replace(t, d.logKey(), make([]byte, 61)) }, 0,
			"keys", doctor.Failed, "log.key", "betonicad restore"},
		{"no responder", func(t *testing.T, d layout) { require.NoError(t, os.Remove(d.rootResponder())) }, 0,
			"keys", doctor.Failed, "the root's OCSP responder", "betonicad restore"},
		{"the root's key", func(t *testing.T, d layout) {
			require.NoError(t, os.Mkdir(string(d)+".root", 0o700))
			require.NoError(t, os.WriteFile(string(d)+".root/root.key", nil, 0o600))
		}, 0, "separation", doctor.Failed, "the root's key is on this host", "carry it away"},
		{"what is left of it", func(t *testing.T, d layout) { require.NoError(t, os.Mkdir(string(d)+".root", 0o700)) }, 0,
			"separation", doctor.Warning, "is still here", "remove it"},
		{"passphrase beside", func(t *testing.T, d layout) {
			near := string(d) + ".passphrase"
			require.NoError(t, os.WriteFile(near, contents(t, passphraseOf(t, d)), 0o600))
			rewrite(t, d.config(), passphraseOf(t, d), near)
		}, 0, "separation", doctor.Warning, "the passphrase, ", "another device"},
		{"evidence beside", func(t *testing.T, d layout) {
			c := caseOf(t.Context(), d)
			require.NoError(t, os.WriteFile(d.evidence(), contents(t, c.Config.Audit.Evidence), 0o600))
			rewrite(t, d.config(), c.Config.Audit.Evidence, d.evidence())
		}, 0, "separation", doctor.Warning, "the evidence, ", "another device"},
		{"no database", func(t *testing.T, d layout) { require.NoError(t, os.Remove(d.database())) }, 0,
			"store", doctor.Failed, "no such file", "betonicad restore"},
		{"no database but any", func(t *testing.T, d layout) { replace(t, d.database(), []byte(strings.Repeat("no database ", 1000))) }, 0,
			"store", doctor.Failed, "corrupt: ", "betonicad restore"},
		{"damaged page", func(t *testing.T, d layout) {
			file := contents(t, d.database())
			for page := 3; page < len(file)/4096; page++ {
				clear(file[page*4096+8 : page*4096+64])
			}
			replace(t, d.database(), file)
		}, 0, "store", doctor.Failed, "corrupt: ", "betonicad restore"},
		{"newer schema", func(t *testing.T, d layout) {
			tamper(t, d, `INSERT INTO migrations (number, name, applied_at) VALUES (9999, 'future', 0)`,
				`INSERT OR REPLACE INTO meta (key, value) VALUES ('schema_oldest', CAST('9999' AS BLOB))`)
		}, 0, "store", doctor.Failed, "newer-schema: ", "run the newer version"},
		{"another store", func(t *testing.T, d layout) {
			tamper(t, d, `DELETE FROM checkpoints`, `DELETE FROM audit_tiles`, `DELETE FROM audit`)
		}, 0,
			"store", doctor.Failed, "set-back: ", "betonicad recover"},
		{"restored", func(t *testing.T, d layout) {
			tamper(t, d, `INSERT INTO meta (key, value) VALUES ('restored', x'30')`)
		}, 0,
			"store", doctor.Failed, "restored: ", "betonicad recover"},
		{"edited log", func(t *testing.T, d layout) { tamper(t, d, `UPDATE audit SET action = 'nothing' WHERE seq = 1`) }, 0,
			"store", doctor.Failed, "the audit log: ", "betonicad audit verify"},
		{"no ballast", func(t *testing.T, d layout) { require.NoError(t, os.Remove(d.database()+".ballast")) }, 0,
			"disk", doctor.Warning, "ballast", "make room"},
		{"old copy", func(t *testing.T, d layout) {
			copied := filepath.Join(string(d), "betonica-schema0001-20260101T000000.db")
			require.NoError(t, os.WriteFile(copied, make([]byte, 2<<20), 0o600))
			long := time.Now().Add(-31 * day)
			require.NoError(t, os.Chtimes(copied, long, long))
		}, 0, "disk", doctor.Warning, "from before its schema changed take 2 MiB", "delete those"},
		{"no disk", func(t *testing.T, d layout) {
			rewrite(t, d.config(), caseOf(t.Context(), d).Config.CRL.PublishDir, "/nonexistent/www")
		}, 0, "disk", doctor.Failed, "published: ", "mount"},
		{"old intermediate", nothing, 245 * day, "certificates", doctor.Warning, "the root's OCSP responder ends in 119 days", "betonicad root sign-crl"},
		{"old root list", nothing, 245 * day, "lists", doctor.Warning, "the root's list ends in 119 days", "betonicad root sign-crl"},
		{"ended root list", nothing, 366 * day, "lists", doctor.Failed, "the root's list ended", "betonicad root sign-crl"},
		{"ended everything", nothing, 200 * 366 * day, "certificates", doctor.Failed, "the root's certificate ended", "plan a new CA"},
		{"before its time", nothing, -day, "certificates", doctor.Failed, "is not valid before", "set the clock"},
		{"old lists", nothing, 25 * time.Hour, "lists", doctor.Failed, "the full list of ", "start the daemon"},
		{"lists of an evening", nothing, 20 * time.Hour, "lists", doctor.Warning, "the full list of ", "start the daemon"},
		{"lists from elsewhere", func(t *testing.T, d layout) { tamper(t, d, `UPDATE crl_number SET number = 0`) }, 0,
			"lists", doctor.Failed, "set-back: ", "betonicad recover"},
		{"nothing published", func(t *testing.T, d layout) { require.NoError(t, os.RemoveAll(www(d))) }, 0,
			"published", doctor.Failed, "no such file", "check that the directory exists"},
		{"nonsense published", func(t *testing.T, d layout) { replace(t, www(d)+"/chain.crl.pem", []byte("no list")) }, 0,
			"published", doctor.Failed, "holds no list", "check that the directory exists"},
		{"old lists published", nothing, 25 * time.Hour, "published", doctor.Failed, "has ended", "start the daemon"},
		{"slow clock", nothing, -time.Hour, "clock", doctor.Failed, "behind entry ", "set the clock"},
		{"a little slow", nothing, -5 * time.Minute, "clock", doctor.Warning, "behind entry ", "set the clock"},
		{"no backup", func(t *testing.T, d layout) { require.NoError(t, os.Remove(string(d)+"/backups.json")) }, 0,
			"backup", doctor.Warning, "there never was one", "betonicad backup"},
		{"old backup", nothing, 27 * time.Hour, "backup", doctor.Warning, "27 hours old", "betonicad backup"},
		{"open backup", func(t *testing.T, d layout) { note(t, d, time.Now()) }, 0, "backup", doctor.Warning, "not encrypted", "--recipient"},
		{"nonsense of backups", func(t *testing.T, d layout) { replace(t, string(d)+"/backups.json", []byte("{")) }, 0,
			"backup", doctor.Failed, "backups.json", "betonicad backup"},
		{"silent daemon", func(t *testing.T, d layout) {
			f, err := os.OpenFile(d.lock(), os.O_RDWR|os.O_CREATE, 0o600)
			require.NoError(t, err)
			t.Cleanup(func() { f.Close() })
			require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
		}, 0, "daemon", doctor.Failed, "holds the lock", "see its log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			restore(t)
			tt.spoil(t, d)
			requireFinding(t, examined(t, d, tt.ahead), tt.check, tt.state, tt.what, tt.do)
		})
	}
}

func nothing(*testing.T, layout) {}

// ran returns a CA as it should be, whose daemon has run.
func ran(t *testing.T) layout {
	d := wellCA(t)
	r := start(t, string(d))
	require.Eventually(t, func() bool { _, err := os.Stat(www(d) + "/chain.crl.pem"); return err == nil }, time.Minute, 5*time.Millisecond)
	require.NoError(t, r.stop())
	return d
}

// kept copies folders; the function that it returns makes them again what they were.
func kept(t *testing.T, dirs ...string) (restore func(*testing.T)) {
	copies := t.TempDir()
	for i, dir := range dirs {
		command(t, "cp", "-a", dir, filepath.Join(copies, strconv.Itoa(i)))
	}
	return func(t *testing.T) {
		for i, dir := range dirs {
			require.NoError(t, os.RemoveAll(dir))
			command(t, "cp", "-a", filepath.Join(copies, strconv.Itoa(i)), dir)
		}
	}
}

func www(d layout) string { return filepath.Join(filepath.Dir(string(d)), "www") }

func passphraseOf(t *testing.T, d layout) string {
	return caseOf(t.Context(), d).Config.CA.PassphraseFile
}

// tamper changes the database behind the daemon's back.
func tamper(t *testing.T, d layout, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite3", d.database())
	require.NoError(t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err)
	}
}

// A file that belongs to somebody else is found, by whoever may give files away.
func TestDoctorOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("left out: it takes root to give a file away")
	}
	d := wellCA(t)
	require.NoError(t, os.Chown(d.logKey(), 65534, -1))
	requireFinding(t, examined(t, d, 0), "folder", doctor.Failed, "belongs to uid 65534", "chown --reference=")
}

// What answers on a listener is held to the CA's root, and a port that is closed is
// told.
func TestDoctorListeners(t *testing.T) {
	t.Parallel()
	d := wellCA(t)
	start(t, string(d))
	c := caseOf(t.Context(), d)
	require.NotNil(t, c.Daemon)
	require.Equal(t, os.Getpid(), c.Daemon.PID)
	other, err := readCertificate(layout(newCA(t)).rootCertificate())
	require.NoError(t, err)
	c.Keys.Root = other
	r := doctor.Examine(t.Context(), c, doctor.Checks())
	requireFinding(t, r, "listeners", doctor.Failed, "https at 127.0.0.1:", "nothing else has the address")
	require.Len(t, found(t, r, "listeners").Findings, 1, "the others need no trust")
}

// Each trouble that the daemon tells is told again, with the way out; one that this
// version does not know, too.
func TestDoctorTroubles(t *testing.T) {
	t.Parallel()
	d := wellCA(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	root, err := readCertificate(d.rootCertificate())
	require.NoError(t, err)
	serveOps(t, l, root, filepath.Join(string(d), "admin.sock"), store.TroubleDiskFull.String()+"\nmoon: it is full; wait")
	rewrite(t, d.config(), `# ops = "127.0.0.1:9090"`, `ops = "`+l.Addr().String()+`"`)
	r := examined(t, d, 0)
	requireFinding(t, r, "daemon", doctor.Failed, "disk-full: the store's disk is full", store.TroubleDiskFull.Remedy())
	requireFinding(t, r, "daemon", doctor.Failed, "moon: it is full", "see the daemon's log")
	requireFinding(t, r, "daemon", doctor.Warning, "the daemon runs version v0.0.1", "restart")
	requireFinding(t, r, "disk", doctor.Failed, "disk-full", store.TroubleDiskFull.Remedy())
	requireFinding(t, r, "clock", doctor.Failed, "clock: it has moved by -10m0s", "set the clock")
	requireFinding(t, r, "limits", doctor.Warning, "may open 1024 files", "LimitNOFILE")
	requireFinding(t, r, "lists", doctor.Failed, "the delta list of 0123abcd is 3 minutes old", "see the daemon's log")
	requireFinding(t, r, "lists", doctor.Failed, "the full list of 0123abcd has ended", "see the daemon's log")
	requireFinding(t, r, "certificates", doctor.Failed, "the daemon's own certificate ended", "see the daemon's log")
}

// What answers at the ops address is taken for the daemon only if it is this CA's, and of
// this folder: another one that is well says nothing of this one.
func TestDoctorStranger(t *testing.T) {
	t.Parallel()
	d := wellCA(t)
	ours, err := readCertificate(d.rootCertificate())
	require.NoError(t, err)
	theirs, err := readCertificate(layout(newCA(t)).rootCertificate())
	require.NoError(t, err)
	socket := filepath.Join(string(d), "admin.sock")
	at := `# ops = "127.0.0.1:9090"`
	for _, tt := range []struct {
		root   *x509.Certificate
		socket string
		held   bool // somebody has the folder's lock
		state  doctor.Verdict
		what   string
	}{
		{ours, socket, false, doctor.Failed, "moon"},
		{ours, "/elsewhere/admin.sock", true, doctor.Failed, "moon"}, // its folder has another path in a container
		{ours, "/elsewhere/admin.sock", false, doctor.Warning, "none runs here: what answers at 127.0.0.1:"},
		{theirs, socket, false, doctor.Warning, "is the daemon of another CA"},
		{theirs, socket, true, doctor.Failed, "holds the lock of the folder, and what answers at 127.0.0.1:"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		serveOps(t, l, tt.root, tt.socket, "moon: it is full")
		rewrite(t, d.config(), at, `ops = "`+l.Addr().String()+`"`)
		at = `ops = "` + l.Addr().String() + `"`
		free := func() {}
		if tt.held {
			f, err := os.OpenFile(d.lock(), os.O_RDWR|os.O_CREATE, 0o600)
			require.NoError(t, err)
			require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
			free = func() { f.Close() }
		}
		r := examined(t, d, 0)
		free()
		requireFinding(t, r, "daemon", tt.state, tt.what, "")
		if tt.what != "moon" {
			require.Len(t, found(t, r, "daemon").Findings, 1, tt.what)
			require.Equal(t, doctor.Skipped, found(t, r, "listeners").State, tt.what)
		}
	}
}

// On PostgreSQL the other daemons on the database are told of.
func TestDoctorReplicas(t *testing.T) {
	t.Parallel()
	d := layout(newCA(t, "--dsn", storetest.Postgres(t).Database(t)))
	require.Equal(t, doctor.OK, found(t, examined(t, d, 0), "replicas").State)
	c, err := server.ReadConfig(string(d))
	require.NoError(t, err)
	s, err := openSecrets(d, c)
	require.NoError(t, err)
	db, err := store.Open(t.Context(), store.Config{
		DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), IDFile: d.storeID(), Replica: store.Replica{Name: "ca-2", Version: "v0.0.1"},
	})
	require.NoError(t, err)
	defer db.Close()
	r := examined(t, d, 0)
	requireFinding(t, r, "replicas", doctor.Warning, "replica ca-2 is of version v0.0.1", "finish the upgrade")
	requireFinding(t, r, "store", doctor.Skipped, "PostgreSQL looks after its files", "")
}
