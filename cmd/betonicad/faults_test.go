package main_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A disk that fails now and then makes requests fail, and nothing worse: what
// was handed out is on it, and the log adds up.
func TestDiskErrors(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		storetest.LeaveOut(t, "strace is not installed")
	}
	dir := newCA(t)
	crowd := newLoad(t, dir)
	crowd.faults = true
	// Of the flushes of each of the daemon's threads, from the 10th on, every 5th
	// fails with an I/O error.
	d := serve(t, dir, "strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null",
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=10+5", "--")
	crowd.while(t, d, func(issued <-chan struct{}) {
		// Through a few failures, and on after the last of them.
		for strings.Count(d.log.String(), "input/output error") < 5 {
			waitFor(t, d, issued)
		}
		waitFor(t, d, issued)
	})
	d.kill()

	d = serve(t, dir)
	crowd.compare(t, "sqlite3", "file:"+filepath.Join(dir, "betonica.db"))
	run(t, "betonicad", "audit", "verify", "--dir", dir)
	crowd.faults = false
	crowd.while(t, d, func(issued <-chan struct{}) { waitFor(t, d, issued) })
}

// A database that goes away under load, and comes back, takes no certificate
// with it that a machine holds, and the daemon goes on by itself.
func TestLostDatabase(t *testing.T) {
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
