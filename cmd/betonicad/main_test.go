package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	kills        = flag.Int("kills", 20, "how often TestKill kills the daemon")
	certificates = flag.Int("certificates", 10_000, "certificates in each measurement")
	history      = flag.Int("history", 500_000, "certificates in the store before BenchmarkHistory begins")
	size         = flag.Int("size", 100_000, "live certificates in the store that BenchmarkSize measures")
	idle         = flag.Duration("idle", 3*time.Minute, "how long BenchmarkAgent watches an agent that has nothing to do")
	benchDir     = flag.String("bench-dir", "", "folder that keeps BenchmarkSize's stores for the next run; empty: none does")
)

func TestMain(m *testing.M) {
	if what := os.Getenv(bystanderEnv); what != "" {
		os.Exit(bystander(what))
	}
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// built is where binaries put the programs; empty if no test asked.
var built string

// toolFlags returns the build flags of the tool as it is given away. To build it with
// others would compile all that it imports once more, too.
func toolFlags() ([]string, error) {
	flags, err := exec.Command("../../.dist/gcflags").Output()
	return append([]string{"-trimpath", "-ldflags=-s -w -buildid="}, strings.Fields(string(flags))...), err
}

// binaries builds both programs, once and only if a test asks, and returns the
// folder they are in. If the tests have the race detector, so has the daemon.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "betonica-bin")
	if err != nil {
		return "", err
	}
	built = dir
	small, err := toolFlags()
	if err != nil {
		return "", err
	}
	for _, program := range []struct {
		name string
		cgo  string
		args []string
	}{
		{"betonicad", "1", raceFlag},
		{"betonica", "0", small},
	} {
		args := append([]string{"build", "-buildvcs=false", "-o", filepath.Join(dir, program.name)}, program.args...)
		cmd := exec.Command("go", append(args, "../"+program.name)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+program.cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			os.RemoveAll(dir)
			return "", fmt.Errorf("building %s: %w\n%s", program.name, err, out)
		}
	}
	return dir, nil
})

// command returns one of our programs, not yet started, in an environment
// without settings of the caller's own.
func command(name string, args ...string) (*exec.Cmd, error) {
	dir, err := binaries()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(dir, name), args...)
	cmd.Env = environment(dir)
	return cmd, nil
}

// environment is what our programs run in. The race detector ends a process
// instead of leaving its report to be overlooked.
func environment(bin string) []string {
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=/nonexistent", "GORACE=halt_on_error=1"}
	if conf := os.Getenv("SOFTHSM2_CONF"); conf != "" { // of a test that makes a token
		env = append(env, "SOFTHSM2_CONF="+conf)
	}
	return env
}

// run runs one of our programs to its end, and returns what it wrote to stdout.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd, err := command(name, args...)
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), &stderr)
	return string(out)
}
