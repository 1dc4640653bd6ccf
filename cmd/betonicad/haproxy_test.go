package main_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// Behind HAProxy, by the recipe in testdata, clients of other people's and our own do not
// notice that a replica was killed, nor that one was stopped, beyond one retry; and the
// lists on a stream never go back.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	path := program(t, "haproxy")
	f := newFleet(t)
	machines, parties := f.balance(t, path)
	machine := filepath.Join(t.TempDir(), "machine")
	token, err := f.daemons[0].admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-1"})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token.Secret), 0o600))
	run(t, "betonica", "enroll", "--url", "https://"+machines, "--token-file", file, "--out", machine)
	h := f.enrol(t, f.daemons[0], "device", "SN-2")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var retries, rounds atomic.Int64
	var all sync.WaitGroup
	// again does something over and over, and repeats at most once what failed.
	again := func(what string, do func() error) {
		all.Go(func() {
			for ctx.Err() == nil {
				err := do()
				if err != nil && ctx.Err() == nil {
					retries.Add(1)
					err = do()
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("%s, and again: %v", what, err)
					return
				}
				rounds.Add(1)
			}
		})
	}
	root := f.dirs[0] + ".root/root.pem"
	again("curl", finishing(t, "curl", "-fsS", "--cacert", root, "-o", "/dev/null", "https://"+strings.Replace(machines, "127.0.0.1", "localhost", 1)+"/v1/checkpoint"))
	again("openssl ocsp", func() error {
		err := finishing(t, "openssl", "ocsp", "-issuer", h.issuer, "-cert", h.file, "-url", "http://"+parties+"/ocsp", "-CAfile", root, "-no_nonce")()
		if err != nil && !strings.Contains(err.Error(), "Response verify OK") {
			return err
		}
		return nil
	})
	again("betonica renew", func() error {
		cmd, err := command("betonica", "renew", "--dir", machine)
		if err != nil {
			return err
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	again("fetching lists", func() error {
		_, err := fetched(&daemon{addresses: addresses{HTTP: parties}}, f.list("full.crl"))
		return err
	})
	seen := &followers{t: t, f: f, lists: map[int64][32]byte{}}
	all.Go(func() {
		for last := int64(0); ctx.Err() == nil; pause(ctx, 10*time.Millisecond) {
			seen.subscribe(ctx, parties, last, func(der []byte) bool {
				last = seen.rising(der, last)
				return true
			})
		}
	})
	pass := func() { // a few rounds of all
		for until := rounds.Load() + 40; rounds.Load() < until && !t.Failed(); {
			pause(ctx, 10*time.Millisecond)
		}
	}
	for i := range f.daemons {
		pass()
		if i == 1 {
			f.daemons[i].signal(syscall.SIGTERM)
		} else {
			f.kill(i)
		}
		pass()
		f.restart(t, i)
		f.daemons[i].awaitReadiness(t, http.StatusOK)
		f.ready(t)
	}
	pass()
	cancel()
	all.Wait()
	require.Positive(t, seen.moves)
	t.Logf("%d rounds, %d of them repeated once; %d lists on a stream", rounds.Load(), retries.Load(), seen.moves)
	f.end(t)
}

// finishing returns how to run a program of the system to its end.
func finishing(t *testing.T, name string, args ...string) func() error {
	path := program(t, name)
	return func() error {
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
}

// balance starts HAProxy before the fleet, and returns where machines and relying
// parties find it.
func (f *fleet) balance(t *testing.T, path string) (machines, parties string) {
	t.Helper()
	machines, parties = "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	text := string(read(t, "../../testdata/replicas/haproxy.cfg"))
	replace := func(old, by string) {
		require.Contains(t, text, old)
		text = strings.ReplaceAll(text, old, by)
	}
	replace("bind :8443", "bind "+machines)
	replace("bind :8080", "bind "+parties)
	for i, d := range f.daemons {
		_, ops, err := net.SplitHostPort(d.Ops)
		require.NoError(t, err)
		replace(fmt.Sprintf("10.0.0.%d:8443 check port 9090", i+1), d.HTTPS+" check port "+ops)
		replace(fmt.Sprintf("10.0.0.%d:8080 check port 9090", i+1), d.HTTP+" check port "+ops)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	log, err := newLogFile()
	require.NoError(t, err)
	cmd := exec.Command(path, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("HAProxy said:\n%s", log.tail())
		}
	})
	require.Eventually(t, func() bool {
		_, err := fetched(&daemon{addresses: addresses{HTTP: parties}}, f.list("full.crl"))
		return err == nil
	}, patience, 20*time.Millisecond, "%s", log)
	return machines, parties
}
