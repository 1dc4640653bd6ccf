package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// openTerminal returns a terminal, and what is seen on it once it is closed.
func openTerminal(t *testing.T) (terminal *os.File, seen func() string) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return terminal, func() string {
		require.NoError(t, terminal.Close())
		var all bytes.Buffer
		io.Copy(&all, master) // to EIO, which is a terminal's end
		return all.String()
	}
}

// On a terminal a survey is drawn as far as the daemon says that it is, on one line that is
// gone in the end; in a file there is nothing of it.
func TestComplianceBar(t *testing.T) {
	x, d := talk(t)
	d.does(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", adminapi.MediaEvents)
		for _, done := range []int{0, 500, 500, 1000} {
			fmt.Fprintf(w, "{\"done\":%d,\"total\":1000}\n", done)
		}
		io.WriteString(w, `{"run":{"profile":"hipaa-current"}}`+"\n")
		if strings.HasSuffix(r.URL.Path, "report") {
			io.WriteString(w, `{"file":{"name":"report.html","text":"eA=="}}`+"\n")
		}
		io.WriteString(w, `{"end":true}`+"\n")
	})
	for _, verb := range [][]string{{"check"}, {"report", "--out", filepath.Join(t.TempDir(), "evidence")}} {
		terminal, seen := openTerminal(t)
		env := environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: terminal, now: time.Now, getenv: func(name string) string { return x.vars[name] }}
		require.NoError(t, run(t.Context(), env, append([]string{"compliance"}, verb...)))
		lines := strings.Split(seen(), "\r")
		require.GreaterOrEqual(t, len(lines), 6, "%q", lines)
		require.Equal(t, []string{
			"",
			"reading certificates and records [..............................] 0 of 1000",
			"reading certificates and records [###############...............] 500 of 1000",
			"reading certificates and records [##############################] 1000 of 1000",
		}, lines[:4])
		require.Empty(t, strings.TrimSpace(lines[4]))

		file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		require.NoError(t, err)
		defer file.Close()
		env.stderr = file
		if verb[0] == "report" {
			verb[2] += "-2"
		}
		require.NoError(t, run(t.Context(), env, append([]string{"compliance"}, verb...)))
		text, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		require.NotContains(t, string(text), "reading")
		require.NotContains(t, string(text), "\r")
	}
}
