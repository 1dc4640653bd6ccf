package main_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	benchCallers = 16
	benchRounds  = 5
	benchTurn    = time.Second
)

// A path is a way to an application.
type path struct {
	name, address string
	tls           *tls.Config // nil: plain
	guards        []*sentry   // on the way
}

// A pathFigure is what a path costs: requests per second, milliseconds of the median
// request, of all callers at once and of one alone, and microseconds of the processor for
// one request, caller and application included.
type pathFigure struct{ rate, p50, alone, cpu float64 }

// measurePaths drives requests over each path in turns.
func measurePaths(b *testing.B, paths []path) []pathFigure {
	callers := make([][]*caller, len(paths))
	for i, p := range paths {
		for range benchCallers {
			c := p.open(b)
			defer c.Close()
			require.NoError(b, c.get())
			callers[i] = append(callers[i], c)
		}
	}
	rate, p50, alone, cpu := make([][]float64, len(paths)), make([][]float64, len(paths)), make([][]float64, len(paths)), make([][]float64, len(paths))
	for range benchRounds {
		for i, p := range paths {
			used, began := p.cpuOf(b), time.Now()
			took := drivePath(b, callers[i])
			n := float64(len(took))
			rate[i] = append(rate[i], n/time.Since(began).Seconds())
			cpu[i] = append(cpu[i], float64((p.cpuOf(b)-used)/time.Microsecond)/n)
			p50[i] = append(p50[i], medianOf(took))
			alone[i] = append(alone[i], medianOf(drivePath(b, callers[i][:1])))
		}
	}
	figures := make([]pathFigure, len(paths))
	for i := range paths {
		figures[i] = pathFigure{middle(rate[i]), middle(p50[i]), middle(alone[i]), middle(cpu[i])}
	}
	return figures
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

func medianOf(took []time.Duration) float64 {
	slices.Sort(took)
	return milliseconds(took[len(took)/2])
}

// drivePath has each caller ask again and again for a turn, and returns how long each
// answer took.
func drivePath(b *testing.B, callers []*caller) []time.Duration {
	took := make([][]time.Duration, len(callers))
	errs := make([]error, len(callers))
	until := time.Now().Add(benchTurn)
	var wg sync.WaitGroup
	for i, c := range callers {
		wg.Go(func() {
			for began := time.Now(); began.Before(until) && errs[i] == nil; {
				errs[i] = c.get()
				now := time.Now()
				took[i] = append(took[i], now.Sub(began))
				began = now
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(b, err)
	}
	return slices.Concat(took...)
}

// A caller is one kept-alive connection.
type caller struct {
	net.Conn
	in *bufio.Reader
}

func (p path) open(b testing.TB) *caller {
	c, err := net.Dial("tcp", p.address)
	require.NoError(b, err)
	if p.tls != nil {
		c = tls.Client(c, p.tls)
	}
	return &caller{c, bufio.NewReader(c)}
}

func (c *caller) get() error {
	if _, err := io.WriteString(c, "GET /beds/1 HTTP/1.1\r\nHost: app\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// nginx starts a server of a file of 1 KiB, and returns its address.
func (w *ward) nginx() string {
	_, at, _ := w.nginxIn()
	return at
}

// nginxIn returns the server, one process, and the folder that it serves, too.
func (w *ward) nginxIn() (p *process, at, root string) {
	dir, err := os.MkdirTemp("/tmp", "betonica-nginx-") // its process may be of another user
	require.NoError(w, err)
	w.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(w, os.Chmod(dir, 0o755))
	require.NoError(w, os.MkdirAll(dir+"/root/beds", 0o755))
	require.NoError(w, os.WriteFile(dir+"/root/beds/1", []byte(strings.Repeat("x", 1<<10)), 0o644))
	at = "127.0.0.1:" + freePort(w)
	conf := filepath.Join(dir, "nginx.conf")
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/%[1]s; ", kind, dir)
	}
	require.NoError(w, os.WriteFile(conf, []byte(fmt.Sprintf(`
pid %[1]s/pid; error_log stderr; master_process off;
events {}
http {
	access_log off; keepalive_requests 1000000; %[3]s
	server {
		listen %[2]s; root %[1]s/root;
		location /slow/ { alias %[1]s/root/; limit_rate 20k; }
	}
}`, dir, at, &temp)), 0o644))
	p, err = begin(exec.Command(program(w, "nginx"), "-c", conf, "-g", "daemon off;"))
	require.NoError(w, err)
	w.Cleanup(p.kill)
	require.Eventually(w, func() bool { return reachable(at) }, patience, 5*time.Millisecond, "%s", p.log)
	return p, at, dir + "/root"
}

func reachable(address string) bool {
	c, err := net.Dial("tcp", address)
	if err == nil {
		c.Close()
	}
	return err == nil
}

var wrkRate = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// wrk returns the requests per second that wrk sees at an address.
func wrk(b *testing.B, address string) float64 {
	out, err := exec.Command(program(b, "wrk"), "-t1", "-c16", "-d2s", "http://"+address+"/beds/1").CombinedOutput()
	require.NoError(b, err, "%s", out)
	require.NotContains(b, string(out), "Non-2xx")
	found := wrkRate.FindSubmatch(out)
	require.NotNil(b, found, "%s", out)
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(b, err)
	return rate
}
