package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store"
)

// says waits until /readyz has the line of a trouble, or "ok".
func (r *running) says(t *testing.T, line string) {
	t.Helper()
	var last string
	require.Eventually(t, func() bool {
		last = command(t, "curl", "-sS", "http://"+r.Ops+"/readyz")
		return strings.Contains(last, line+"\n")
	}, time.Minute, 20*time.Millisecond, "want %q", line)
}

// A database that is taken away under the daemon is missed within seconds: nothing is
// issued and nothing revoked, since it would be lost with the process. When it is
// back, the daemon goes on.
func TestDatabaseTakenAway(t *testing.T) {
	t.Parallel()
	d := start(t, newCA(t))
	m := newMachine(t, d)
	m.enrol("device", "SN-1")
	file := layout(d.dir).database()
	token, err := d.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-2"})
	require.NoError(t, err)
	_, csr := m.csr("SN-2")
	ask := func() (string, string) {
		return m.curl("/v1/enroll", "-H", "Authorization: Bearer "+token.Secret, "--data-binary", "@"+csr)
	}

	require.NoError(t, os.Rename(file, file+".away"))
	d.says(t, store.TroubleReplaced.String())
	status, body := ask()
	require.Equal(t, "503", status, body)
	require.NotContains(t, body, file)
	_, err = d.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/SN-1"})
	require.Error(t, err)
	require.NoError(t, os.Rename(file+".away", file))
	d.says(t, "ok")
	status, body = ask()
	require.Equal(t, "201", status, body)
	_, _, err = try(t, "audit", "verify", "--dir", d.dir)
	require.NoError(t, err)
}

// A daemon that runs does without the files of its keys; told to read them anew it
// says what is wrong, and goes on with those that it has. It does not start without.
func TestKeysTakenAway(t *testing.T) {
	d := start(t, newCA(t))
	m := newMachine(t, d)
	keys := layout(d.dir).keys()
	require.NoError(t, os.Rename(keys, keys+".away"))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Eventually(t, func() bool { return strings.Contains(d.log.String(), "taking over the intermediates") }, time.Minute, 5*time.Millisecond)
	m.enrol("device", "SN-1")
	d.says(t, "ok")
	require.NoError(t, d.stop())
	_, _, err := try(t, append([]string{"serve", "--dir", d.dir}, freePorts...)...)
	require.ErrorContains(t, err, filepath.Join(keys, "root.pem")+": no such file")
	require.NoError(t, os.Rename(keys+".away", keys))
	start(t, d.dir)
}

// A damaged page of the log is named by whoever reads it, and what to do about it.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	d := start(t, newCA(t))
	newMachine(t, d).enrol("device", "SN-1")
	require.NoError(t, d.stop())
	file := layout(d.dir).database()
	page := strings.TrimSpace(command(t, "sqlite3", file, "SELECT rootpage FROM sqlite_master WHERE name = 'audit'"))
	command(t, "dd", "if=/dev/urandom", "of="+file, "bs=4096", "count=1", "conv=notrunc", "seek="+before(t, page))
	_, _, err := try(t, "audit", "verify", "--dir", d.dir)
	require.Equal(t, store.TroubleCorrupt, store.TroubleOf(err), "%v", err)
	require.Contains(t, store.TroubleOf(err).String(), "betonicad restore")
	_, _, err = try(t, append([]string{"serve", "--dir", d.dir}, freePorts...)...)
	require.Equal(t, store.TroubleCorrupt, store.TroubleOf(err), "%v", err)
}

// before returns the number before one.
func before(t *testing.T, number string) string {
	n, err := strconv.Atoi(number)
	require.NoError(t, err)
	return strconv.Itoa(n - 1)
}
