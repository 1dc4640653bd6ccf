package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A disk that fails now and then, or for a while, makes requests fail, and nothing
// worse: /readyz names it, what was handed out is on the disk, the log adds up, and the
// daemon goes on by itself.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		storetest.LeaveOut(t, "strace is not installed")
	}
	const anew = "what was acknowledged was written anew and read back"
	for _, tt := range []struct{ name, calls, when, then string }{ // of the calls of each of the daemon's threads
		{"flushes now and then", "fsync,fdatasync", "10+5", anew},
		{"flushes for a while", "fsync,fdatasync", "20..50", anew},
		{"parts of checkpoints", "sync_file_range", "1+2", anew},
		{"writes now and then", "pwrite64", "100+40", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := newCA(t)
			crowd := newLoad(t, dir)
			crowd.faults = true
			d := serve(t, dir, "strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null",
				"-e", "trace="+tt.calls, "-e", "inject="+tt.calls+":error=EIO:when="+tt.when, "--")
			crowd.while(t, d, func(issued <-chan struct{}) {
				// Through a few failures, and on after the last of them.
				for start := time.Now(); strings.Count(d.log.String(), "input/output error") < 5; {
					require.Less(t, time.Since(start), patience, "what failed is not told")
					waitFor(t, d, issued)
				}
				d.awaitReadiness(t, http.StatusOK)
				waitFor(t, d, issued)
			})
			require.True(t, strings.Contains(d.log.String(), tt.then), "want %q; it said:\n%s", tt.then, d.log.tail())
			d.kill()

			d = serve(t, dir)
			crowd.compare(t, "sqlite3", "file:"+filepath.Join(dir, "betonica.db"))
			run(t, "betonicad", "audit", "verify", "--dir", dir)
			crowd.faults = false
			crowd.while(t, d, func(issued <-chan struct{}) { waitFor(t, d, issued) })
		})
	}
}

// A file system that the kernel makes read-only under the daemon, as it does when it
// finds an error on it, ends issuing, with a name for that. Mounted again, it has all that
// was handed out.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	disk := newDisk(t)
	dir := filepath.Join(disk.mount, "ca")
	run(t, "betonicad", "init", "--dir", dir, "--trust-domain", trustDomain)
	crowd := newLoad(t, dir)
	crowd.faults = true
	d := serve(t, dir)
	crowd.while(t, d, func(issued <-chan struct{}) {
		for range 20 {
			waitFor(t, d, issued)
		}
	})
	// Not amidst a flush: of one that is under way ext4 says that it succeeded, and
	// what was flushed is not there afterwards.
	require.NoError(t, disk.command("mount", "-o", "remount,abort", disk.mount))
	crowd.while(t, d, func(<-chan struct{}) {
		require.Eventually(t, func() bool {
			text := d.readiness()
			return strings.Contains(text, "read-only: ") || strings.Contains(text, "io-error: ")
		}, patience, 20*time.Millisecond)
	})
	d.kill()
	held := len(crowd.held)
	require.NoError(t, disk.command("umount", disk.mount))
	disk.command("e2fsck", "-fy", disk.image) // its exit code says what it mended
	require.NoError(t, disk.command("mount", "-o", "loop", disk.image, disk.mount))

	d = serve(t, dir)
	require.GreaterOrEqual(t, held, 20)
	crowd.compare(t, "sqlite3", "file:"+filepath.Join(dir, "betonica.db"))
	run(t, "betonicad", "audit", "verify", "--dir", dir)
	crowd.faults = false
	crowd.while(t, d, func(issued <-chan struct{}) { waitFor(t, d, issued) })
	require.NoError(t, d.stop())
}

// A disk is an ext4 of its own, in a file.
type disk struct{ image, mount string }

func newDisk(t *testing.T) *disk {
	t.Helper()
	dir := t.TempDir()
	d := &disk{filepath.Join(dir, "image"), filepath.Join(dir, "mount")}
	require.NoError(t, os.Mkdir(d.mount, 0o700))
	require.NoError(t, os.WriteFile(d.image, nil, 0o600))
	require.NoError(t, os.Truncate(d.image, 512<<20))
	for _, args := range [][]string{{"mkfs.ext4", "-q", d.image}, {"mount", "-o", "loop", d.image, d.mount}} {
		if err := d.command(args...); err != nil {
			storetest.LeaveOut(t, "a disk cannot be made: "+err.Error())
		}
	}
	t.Cleanup(func() { d.command("umount", d.mount) })
	return d
}

func (d *disk) command(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, out)
	}
	return nil
}

// readiness returns what /readyz says; empty if it does not answer.
func (d *daemon) readiness() string {
	resp, err := http.Get("http://" + d.Ops + "/readyz")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// A database that goes away under load, and comes back, takes no certificate
// with it that a machine holds, and the daemon goes on by itself.
func TestLostDatabase(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t).Database(t)
	dir := newCA(t, "--dsn", dsn)
	d := serve(t, dir)
	crowd := newLoad(t, dir)
	crowd.faults = true
	for range 3 {
		crowd.while(t, d, func(issued <-chan struct{}) {
			waitFor(t, d, issued)
			closeDatabase(t, dsn)
			d.awaitReadiness(t, http.StatusServiceUnavailable)
			openDatabase(t, dsn)
			d.awaitReadiness(t, http.StatusOK)
			waitFor(t, d, issued)
		})
	}
	require.NoError(t, d.stop())
	serve(t, dir)
	crowd.compare(t, "pgx", dsn)
	run(t, "betonicad", "audit", "verify", "--dir", dir)
}

// closeDatabase cuts all connections to a database, with what they are at, and
// lets nobody connect any more.
func closeDatabase(t testing.TB, dsn string) {
	aside(t, dsn, `ALTER DATABASE %[1]s ALLOW_CONNECTIONS false`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%[1]s'`)
}

func openDatabase(t testing.TB, dsn string) {
	aside(t, dsn, `ALTER DATABASE %[1]s ALLOW_CONNECTIONS true`)
}

// aside runs statements about a database from another one of its server.
func aside(t testing.TB, dsn string, statements ...string) {
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	name := config.Database
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for _, s := range statements {
		_, err := conn.Exec(t.Context(), fmt.Sprintf(s, name))
		require.NoError(t, err)
	}
}

// while lets the crowd loose while f runs.
func (l *load) while(t testing.TB, d *daemon, f func(issued <-chan struct{})) {
	ctx, cancel := context.WithCancel(t.Context())
	issued, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		l.run(ctx, d, 8, issued)
	}()
	defer func() {
		cancel()
		<-gone
	}()
	f(issued)
}

// waitFor returns once a machine of the crowd has lived.
func waitFor(t testing.TB, d *daemon, issued <-chan struct{}) {
	t.Helper()
	select {
	case <-issued:
	case <-time.After(patience):
		require.FailNow(t, "the daemon issues nothing any more", "it said:\n%s", d.log.tail())
	}
}

// awaitReadiness returns once /readyz has the status that is wanted.
func (d *daemon) awaitReadiness(t testing.TB, want int) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + d.Ops + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == want
	}, patience, 20*time.Millisecond)
}
