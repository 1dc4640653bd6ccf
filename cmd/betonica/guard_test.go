package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A guard that is not told what it needs, or something dangerous, does not start, and
// says what is missing.
func TestGuardUsage(t *testing.T) {
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"needs --dir", []string{"guard", "server"}},
		{"needs --backend", []string{"guard", "server", "--dir", "d", "--listen", ":1"}},
		{"needs --expect", []string{"guard", "client", "--dir", "d", "--listen", "127.0.0.1:1", "--connect", "tls://h:1"}},
		{"--idle: ", []string{"guard", "server", "--dir", "d", "--listen", ":1", "--backend", "tcp://127.0.0.1:1", "--idle", "soon"}},
		{"not of the loopback", []string{"guard", "server", "--dir", "d", "--listen", ":1", "--backend", "tcp://10.0.0.1:1"}},
		{"not of the loopback", []string{"guard", "client", "--dir", "d", "--listen", ":1", "--connect", "tls://h:1", "--expect", "spiffe://td/r/n"}},
		{"not of the loopback", []string{"guard", "server", "--dir", "d", "--listen", ":1", "--backend", "tcp://127.0.0.1:1", "--ops", ":9090"}},
		{"drain", []string{"guard", "server", "--dir", "d", "--listen", ":1", "--backend", "tcp://127.0.0.1:1", "--drain", "1ms"}},
		{"takes one FILE", []string{"guard", "run"}},
	} {
		r := newTool(t).run(tt.args...)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.stderr, tt.want)
	}
	require.Contains(t, newTool(t).ok("guard", "run", "--example"), "[[route]]")
}
