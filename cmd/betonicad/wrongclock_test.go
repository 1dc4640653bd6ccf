package main_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/storetest"
)

// A wrongClock is what a daemon takes for the time: serve starts one by it.
type wrongClock struct {
	program string
	offset  string // a file
}

// newWrongClock returns a clock that is right, so far.
func newWrongClock(t testing.TB) *wrongClock {
	gcc, err := exec.LookPath("gcc")
	if err != nil || runtime.GOARCH != "amd64" {
		storetest.LeaveOut(t, "there is no wrong clock without gcc, and on "+runtime.GOARCH)
	}
	c := &wrongClock{filepath.Join(t.TempDir(), "wrongclock"), filepath.Join(t.TempDir(), "offset")}
	out, err := exec.Command(gcc, "-O2", "-Wall", "-o", c.program, "testdata/wrongclock/wrongclock.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.WriteFile(c.offset, make([]byte, 8), 0o600))
	return c
}

// set has the clock wrong by so much.
func (c *wrongClock) set(t testing.TB, by time.Duration) {
	f, err := os.OpenFile(c.offset, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write(binary.NativeEndian.AppendUint64(nil, uint64(int64(by/time.Second))))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// wrapper is the last argument of serve.
func (c *wrongClock) wrapper() []string { return []string{c.program, c.offset} }

// clock has one daemon's clock jump by an hour, ahead and back: it issues nothing, and
// says why; what it is told to revoke is revoked. The others do not suffer, and no
// relying party gets a list of another time. It is well as soon as its clock is.
func (f *fleet) clock(t *testing.T, seen *followers) {
	wrong := newWrongClock(t)
	f.kill(1)
	d, err := startAt(f.dirs[1], f.daemons[1].addresses, wrong.wrapper()...)
	require.NoError(t, err)
	f.t.Cleanup(d.kill)
	f.daemons[1] = d
	f.ready(t)
	for i, by := range []time.Duration{time.Hour, -time.Hour} {
		name := fmt.Sprintf("of-the-clock-%d", i)
		h := f.enrol(t, d, "device", name)
		token, err := f.daemons[0].admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: name + "-wrong"})
		require.NoError(t, err)
		wrong.set(t, by)
		d.awaitReadiness(t, http.StatusServiceUnavailable)
		said, err := http.Get("http://" + d.Ops + "/readyz")
		require.NoError(t, err)
		why, err := io.ReadAll(said.Body)
		require.NoError(t, err)
		require.NoError(t, said.Body.Close())
		require.Contains(t, string(why), "clock")
		c, err := dial(d.HTTPS, f.roots)
		require.NoError(t, err)
		status, answer, err := c.post(api.PathEnroll, token.Secret, newRequest(t).csr)
		require.NoError(t, err)
		c.Close()
		require.NotEqual(t, http.StatusCreated, status, "%s", answer)

		fell := f.revoke(t, d, h)
		for _, i := range []int{0, 2} {
			require.Equal(t, "revoked", f.asked(t, f.daemons[i], h))
			require.Eventually(t, func() bool { return seen.named(i, h) && seen.number(i) >= fell.Number }, patience, 10*time.Millisecond)
		}
		f.enrolWith(t, f.daemons[2], token.Secret, "device/"+name+"-wrong")

		wrong.set(t, 0)
		f.ready(t)
		f.enrol(t, d, "device", name+"-after")
		require.Equal(t, "revoked", f.asked(t, d, h))
	}
	wrong.set(t, time.Hour)
	d.kill()
	_, err = startAt(f.dirs[1], d.addresses, wrong.wrapper()...)
	require.ErrorContains(t, err, "clock")
	f.restart(t, 1)
	f.ready(t)
}
