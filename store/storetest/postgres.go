package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A Cluster is a PostgreSQL server on a port of 127.0.0.1, with the server's
// defaults, but for the time after which it looks for deadlocks: it writes as
// durably as in production.
type Cluster struct {
	Port      int
	databases atomic.Int64
	keeper    io.WriteCloser // takes orders; held: the garbage collector would close it, and end the server
	ended     chan struct{}
}

// Postgres returns the test binary's cluster, started on first use. Where
// PostgreSQL is not installed the test is left out.
func Postgres(t testing.TB) *Cluster {
	t.Helper()
	c, err := shared()
	if errors.Is(err, exec.ErrNotFound) {
		LeaveOut(t, "PostgreSQL is not installed (Debian: postgresql)")
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// PostgresIn is Postgres with a cluster of the caller's own, which lies in dir, and
// stays there when the test has ended. Its user must be able to reach dir. The settings,
// name=value, are in force while it runs.
func PostgresIn(t testing.TB, dir string, settings ...string) *Cluster {
	t.Helper()
	c, err := startIn(dir, keepFiles, settings...)
	if errors.Is(err, exec.ErrNotFound) {
		LeaveOut(t, "PostgreSQL is not installed (Debian: postgresql)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.keeper.Close()
		<-c.ended
	})
	return c
}

// Named returns the data source of a database, which it creates if there is none
// of that name; fresh says so.
func (c *Cluster) Named(t testing.TB, name string) (dsn string, fresh bool) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.dsn("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "CREATE DATABASE "+name)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42P04" { // duplicate_database
		return c.dsn(name), false
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.dsn(name), true
}

// Private returns a cluster of the test's own, which it may crash. It is gone when
// the test ends.
func Private(t testing.TB) *Cluster {
	t.Helper()
	Postgres(t) // or leave the test out
	c, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.keeper.Close()
		<-c.ended
	})
	return c
}

// Crash ends the server at once, as a crash of its host would: what was not on disk
// is lost, and unlogged tables are empty when it is back. It returns when nothing
// answers any more.
func (c *Cluster) Crash(t testing.TB) {
	t.Helper()
	c.order(t, "crash")
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port))
		if err != nil {
			return
		}
		conn.Close()
		select {
		case <-t.Context().Done():
			t.Fatal("PostgreSQL did not end")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Start starts the server again, and returns when it answers.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	c.order(t, "start")
	if err := c.await(); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) order(t testing.TB, word string) {
	t.Helper()
	if _, err := io.WriteString(c.keeper, word+"\n"); err != nil {
		t.Fatal(err)
	}
}

// Database creates an empty database and returns its data source.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.dsn("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	name := fmt.Sprintf("test%d", c.databases.Add(1))
	if _, err := conn.Exec(t.Context(), "DROP DATABASE IF EXISTS "+name); err != nil { // of a run before, where the cluster stays
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return c.dsn(name)
}

func (c *Cluster) dsn(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.Port, database)
}

var shared = sync.OnceValues(start)

// start makes and starts a cluster. A shell stands between: its standard input is
// a pipe that this process holds, so that the shell learns of our end, kill -9
// included, and stops the server and removes its files.
func start() (*Cluster, error) {
	if _, err := programs(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "betonica-postgres-") // t.TempDir's parents are closed to the server's user
	if err != nil {
		return nil, err
	}
	return startIn(dir, `rm -rf "$dir"`)
}

// startIn starts the cluster in dir, which it makes if there is none. last is what
// the shell does when the server has ended.
func startIn(dir, last string, settings ...string) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	as, err := owner()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return nil, err
		}
	}
	port, reserved, err := reserve()
	if err != nil {
		return nil, err
	}
	started := false
	defer func() {
		if !started {
			reserved.Close()
		}
	}()
	cmd := exec.Command("/bin/sh", "-c", keep+last, "sh", bin, dir, strconv.Itoa(port))
	for _, s := range settings {
		cmd.Args = append(cmd.Args, "-c", s)
	}
	cmd.Dir = dir
	// In a group of its own: a keyboard's interrupt is for the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	keeper, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started = true
	c := &Cluster{Port: port, keeper: keeper, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		defer reserved.Close()
		cmd.Wait()
	}()
	if err := c.await(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("starting PostgreSQL: %w\n%s", err, said)
	}
	return c, nil
}

// keep runs a cluster in $2 with the programs in $1 on port $3, and with the options that
// follow, until standard input ends; until then it takes the orders crash and start from there.
const keep = `
bin=$1 dir=$2 port=$3
shift 3
[ -e "$dir"/data/PG_VERSION ] || "$bin"/initdb -A trust -U postgres -E UTF8 --no-sync -D "$dir"/data || exit 1
order=start
while [ -n "$order" ]; do
	case $order in
	start)
		"$bin"/postgres -D "$dir"/data -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories="$dir" -c max_connections=200 -c deadlock_timeout=50ms "$@" &
		server=$! ;;
	crash)
		kill -QUIT $server
		wait $server ;;
	esac
	read -r order
done
while kill -INT $server 2>/dev/null; do sleep 0.1; done
`

const keepFiles = ":"

// await returns once the server answers.
func (c *Cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.dsn("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// programs returns the folder of initdb: Debian keeps the server's programs of
// each version outside PATH.
func programs() (string, error) {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	initdb, err := exec.LookPath("initdb")
	return filepath.Dir(initdb), err
}

// owner returns whom the server runs as: not as root, which it refuses; nil is
// whoever we are.
func owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// reserve returns a port that is the server's until the socket is closed: it is bound to
// it, and listens to nobody, so that the kernel gives the port to nobody else, before the
// server has started and while it is down. PostgreSQL cannot choose one by itself.
func reserve() (port int, _ *os.File, err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, err
	}
	socket := os.NewFile(uintptr(fd), "reserved port")
	defer func() {
		if err != nil {
			socket.Close()
		}
	}()
	// As PostgreSQL says it too, both may have the port.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, nil, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, nil, err
	}
	return name.(*syscall.SockaddrInet4).Port, socket, nil
}
