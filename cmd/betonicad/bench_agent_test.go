package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAgent is what a machine pays for its certificate while nothing happens: the
// agent's program on disk, stripped, what it holds in memory, and the processor time that
// it would use in a day, from that of -idle. With lists it follows the revocation lists
// too, which come every ten seconds.
func BenchmarkAgent(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "betonica")
	small, err := toolFlags()
	require.NoError(b, err)
	build := exec.Command("go", append(append([]string{"build"}, small...), "-o", bin, "../betonica")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(b, err, string(out))
	info, err := os.Stat(bin)
	require.NoError(b, err)
	ca := newCA(b)
	d := serve(b, ca)
	for _, kind := range []string{"alone", "lists"} {
		b.Run(kind, func(b *testing.B) {
			token := filepath.Join(b.TempDir(), "token")
			require.NoError(b, os.WriteFile(token, []byte(run(b, "betonica", "token", "create", "--socket", filepath.Join(ca, "admin.sock"), "--role", "device", "--name", kind)), 0o600))
			m := filepath.Join(b.TempDir(), "m")
			args := []string{"agent", "--dir", m, "--url", "https://" + d.HTTPS, "--token-file", token}
			if kind == "lists" {
				args = append(args, "--exec", "true", "--lists-url", "http://"+d.HTTP)
			}
			p, err := begin(exec.Command(bin, args...))
			require.NoError(b, err)
			defer p.stop()
			require.Eventually(b, func() bool {
				text, _ := os.ReadFile(filepath.Join(m, "state.json"))
				return strings.Contains(string(text), `"active"`)
			}, patience, 10*time.Millisecond, "%s", p.log)
			time.Sleep(10 * time.Second) // what a start leaves to do
			before := tasksTime(b, p.pid)
			time.Sleep(*idle)
			b.ReportMetric((tasksTime(b, p.pid)-before).Seconds()*float64(24*time.Hour)/float64(*idle), "CPU-s/day")
			b.ReportMetric(residentMiB(b, p.pid), "MiB-resident")
			b.ReportMetric(float64(info.Size())/1e6, "MB-on-disk")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// tasksTime is the processor time that a process has used, to the nanosecond: that of
// the threads that it has, which the agent's runtime does not end.
func tasksTime(b *testing.B, pid int) (sum time.Duration) {
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	require.NoError(b, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(b, err)
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		require.NoError(b, err)
		sum += time.Duration(ns)
	}
	return sum
}
