package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/storetest"
)

// occupied has somebody write all the time, until the test ends.
func occupied(t *testing.T, d *daemon) {
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	t.Cleanup(func() { cancel(); writers.Wait() })
	for n := range 4 {
		admin := d.admin(t)
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, err := admin.CreateToken(ctx, adminapi.TokenRequest{Role: "device", Name: fmt.Sprintf("busy-%d-%d", n, i)})
				if err != nil && ctx.Err() == nil {
					t.Errorf("while it is backed up: %v", err)
					return
				}
			}
		})
	}
}

// Every backup of a daemon that works hard verifies when it is made, and can be
// restored: it is of one moment.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			var args []string
			if engine == "postgres" {
				args = []string{"--dsn", storetest.Postgres(t).Database(t)}
			}
			dir := newCA(t, args...)
			occupied(t, serve(t, dir))
			out := t.TempDir()
			for i := range 5 {
				file := filepath.Join(out, fmt.Sprint(i))
				run(t, "betonicad", "backup", "--dir", dir, "--out", file, "--plain")
				into := []string{"restore", "--dir", filepath.Join(out, fmt.Sprint(i, ".ca")), file}
				if engine == "postgres" {
					into = append(into, "--dsn", storetest.Postgres(t).Database(t))
				}
				run(t, "betonicad", into...)
			}
		})
	}
}

// A backup that is killed, or interrupted, at whatever moment, leaves nothing: not in
// its folder and not in the CA's.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	occupied(t, serve(t, dir))
	out := t.TempDir()
	began := time.Now()
	run(t, "betonicad", "backup", "--dir", dir, "--out", filepath.Join(out, "whole"), "--plain")
	whole := time.Since(began)
	require.NoError(t, os.Remove(filepath.Join(out, "whole")))
	ended := 0
	for i := range 20 {
		signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGINT}[i%2]
		cmd, err := command("betonicad", "backup", "--dir", dir, "--out", filepath.Join(out, "b"), "--plain")
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		timer := time.NewTimer(rand.N(whole)) // the moment is the point: no moment is waited for
		select {
		case err = <-done:
		case <-timer.C:
			cmd.Process.Signal(signal)
			err = <-done
		}
		timer.Stop()
		if err == nil {
			require.NoError(t, os.Remove(filepath.Join(out, "b")))
			ended++
			continue
		}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && signal == syscall.SIGINT && exit.Exited() {
			require.Equal(t, 1, exit.ExitCode())
		}
		if file := filepath.Join(out, "b"); exists(file) { // it was whole by then
			run(t, "betonicad", "restore", "--dir", filepath.Join(t.TempDir(), "ca"), file)
			require.NoError(t, os.Remove(file))
		}
		left, err := os.ReadDir(out)
		require.NoError(t, err)
		require.Empty(t, left)
		inside, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range inside {
			if info, err := e.Info(); err == nil && strings.Contains(e.Name(), "betonica-copy") {
				require.Zero(t, info.Size(), "%s: the name of a copy goes before anything is in it", e.Name())
			}
		}
	}
	t.Logf("%d of 20 were done before they were ended", ended)
}
