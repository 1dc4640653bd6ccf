package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// TestScript plays the scenes of testdata/script with the real programs, and
// with openssl, curl and sqlite3 as witnesses. Beside testscript's own commands
// they use:
//
//	needs PROGRAM...      leave the scene out, aloud, where one is missing
//	[!] serve DIR         start the daemon of DIR on free ports, the second time on the
//	                      same; $HTTPS, $HTTP, $EST, $OPS are their addresses, and betonica
//	                      finds the admin socket
//	shutdown | crash      end it by SIGTERM (and it must end well) | by SIGKILL
//	hangup                send it SIGHUP
//	log PATTERN           wait until it has logged a line like this
//	exits CODE COMMAND... run a command, which must end with this exit code
//	until COMMAND...      repeat a command until it succeeds
//	capture NAME FILE     set $NAME to the file's text
//	freeports NAME...     set each $NAME to a port of the loopback that is free
//	tmpfs DIR SIZE        mount a small file system
func TestScript(t *testing.T) {
	t.Parallel()
	bin, err := binaries()
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for _, v := range environment(bin) {
				name, value, _ := strings.Cut(v, "=")
				env.Setenv(name, value)
			}
			env.Values[sceneKey{}] = &scene{t: env.T().(testing.TB)}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"needs":     cmdNeeds,
			"serve":     cmdServe,
			"shutdown":  cmdShutdown,
			"crash":     cmdCrash,
			"hangup":    cmdHangup,
			"log":       cmdLog,
			"exits":     cmdExits,
			"freeports": cmdFreePorts,
			"until":     cmdUntil,
			"capture":   cmdCapture,
			"tmpfs":     cmdTmpfs,
		},
	})
}

// A scene is what one script holds.
type scene struct {
	t      testing.TB
	daemon *daemon // nil before the first serve
}

type sceneKey struct{}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value(sceneKey{}).(*scene) }

func (s *scene) running(ts *testscript.TestScript) *daemon {
	if s.daemon == nil {
		ts.Fatalf("no daemon was started")
	}
	return s.daemon
}

func cmdNeeds(ts *testscript.TestScript, _ bool, programs []string) {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			storetest.LeaveOut(sceneOf(ts).t, p+" is not installed")
		}
	}
}

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] serve DIR")
	}
	dir, at := ts.MkAbs(args[0]), anywhere
	if last := sceneOf(ts).daemon; last != nil && last.dir == dir && !neg {
		at = last.addresses
	}
	d, err := startAt(dir, at)
	if neg {
		if err == nil {
			d.kill()
			ts.Fatalf("it serves")
		}
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	sceneOf(ts).daemon = d
	ts.Defer(func() {
		d.kill()
		ts.Logf("[the daemon said]\n%s", d.log)
	})
	ts.Setenv("HTTPS", d.HTTPS)
	ts.Setenv("HTTP", d.HTTP)
	ts.Setenv("OPS", d.Ops)
	ts.Setenv("EST", d.EST)
	ts.Setenv("BETONICA_SOCKET", d.Socket)
}

func cmdShutdown(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(sceneOf(ts).running(ts).stop())
}

func cmdCrash(ts *testscript.TestScript, _ bool, _ []string) {
	sceneOf(ts).running(ts).kill()
}

func cmdHangup(ts *testscript.TestScript, _ bool, _ []string) {
	sceneOf(ts).running(ts).signal(syscall.SIGHUP)
}

func cmdLog(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: log PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	daemon := sceneOf(ts).running(ts)
	poll(ts, func() error {
		if !pattern.MatchString(daemon.log.String()) {
			return fmt.Errorf("the daemon has not said %q", args[0])
		}
		return nil
	})
}

func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = failed.ExitCode()
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s", got)
	}
}

func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: until COMMAND...")
	}
	poll(ts, func() error { return ts.Exec(args[0], args[1:]...) })
}

// poll repeats f until it succeeds.
func poll(ts *testscript.TestScript, f func() error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still: %v", err)
		}
	}
}

// cmdFreePorts holds all of them open until it has found the last, so that none
// comes twice.
func cmdFreePorts(ts *testscript.TestScript, neg bool, names []string) {
	if neg || len(names) == 0 {
		ts.Fatalf("usage: freeports NAME...")
	}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		ts.Setenv(name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
}

func cmdCapture(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: capture NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

func cmdTmpfs(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: tmpfs DIR SIZE")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]); err != nil {
		storetest.LeaveOut(sceneOf(ts).t, "mounting a tmpfs: "+err.Error())
	}
	ts.Defer(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			ts.Logf("unmounting %s: %v", filepath.Base(dir), err)
		}
	})
}
