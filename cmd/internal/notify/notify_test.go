package notify_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/notify"
)

// The manager hears the state of the process that it started, on a socket of either
// kind; without one nothing happens, and one that is gone is an error.
func TestSend(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@betonica-notify-%d", os.Getpid())} {
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		require.NoError(t, err)
		getenv := func(key string) string { return map[string]string{"NOTIFY_SOCKET": name}[key] }
		require.NoError(t, notify.Send(getenv, notify.Ready))
		text := make([]byte, 256)
		n, err := manager.Read(text)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d\n", os.Getpid()), string(text[:n]))
		require.NoError(t, manager.Close())
		require.Error(t, notify.Send(getenv, notify.Stopping))
	}
	require.NoError(t, notify.Send(func(string) string { return "" }, notify.Ready))
}
