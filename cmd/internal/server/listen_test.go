package server

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// testConfig listens on free ports of the loopback, with its socket in a
// directory of the test's own.
func testConfig(t testing.TB) *Config {
	c, err := parseConfig("test", []byte("[server]\nhttps='127.0.0.1:0'\nhttp='127.0.0.1:0'\nops='127.0.0.1:0'"))
	require.NoError(t, err)
	c.resolve(t.TempDir())
	return c
}

// The ready file holds the addresses that the kernel chose, all or nothing of
// them.
func TestWriteReady(t *testing.T) {
	c := testConfig(t)
	l, err := Listen(c)
	require.NoError(t, err)
	defer l.Close()

	file := filepath.Join(t.TempDir(), "ready.json")
	require.NoError(t, l.WriteReady(file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var got adminapi.URLs
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, l.HTTPS.Addr().String(), got.HTTPS)
	require.Equal(t, c.Server.Socket, got.Socket)
	require.NotZero(t, l.HTTPPort())
	require.Error(t, l.WriteReady(filepath.Join(file, "not a directory")))
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file stays")
}

// A listener whose address is taken stops the start, names itself, and leaves
// no other one open.
func TestListenTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	c := testConfig(t)
	c.Server.Ops, err = ParseAddress(taken.Addr().String())
	require.NoError(t, err)
	_, err = Listen(c)
	require.ErrorContains(t, err, "listening for ops: ")
}

// The socket is the owner's only, replaces one that a killed daemon left, and
// nothing else; a connection on it carries the peer's uid.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())

	l, err := listenUnix(path)
	require.NoError(t, err)
	defer l.Close()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o600, info.Mode())

	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer c.Close()
	peer, err := l.Accept()
	require.NoError(t, err)
	defer peer.Close()
	require.Equal(t, "uid:"+strconv.Itoa(os.Getuid()), peer.RemoteAddr().String())

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = listenUnix(file)
	require.ErrorContains(t, err, "not a socket")
	_, err = listenUnix("/" + strings.Repeat("x", maxSocketPath))
	require.ErrorContains(t, err, "longer than the 107 bytes")
}

// A listener holds no more connections than it may: the next one waits until
// one is closed, and Close wakes whoever waits for that.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit(endless{}, 2)
		var accepted []net.Conn
		var ended error
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended = err
					return
				}
				accepted = append(accepted, c)
			}
		}()
		synctest.Wait()
		require.Len(t, accepted, 2)

		first := accepted[0]
		require.NoError(t, first.Close())
		first.Close() // closing twice makes room for one only
		synctest.Wait()
		require.Len(t, accepted, 3)

		require.NoError(t, l.Close())
		synctest.Wait()
		require.ErrorIs(t, ended, net.ErrClosed)
		for _, c := range accepted {
			c.Close()
		}
	})
}

// endless is a listener on which somebody always knocks.
type endless struct{}

func (endless) Accept() (net.Conn, error) { c, _ := net.Pipe(); return c, nil }
func (endless) Close() error              { return nil }
func (endless) Addr() net.Addr            { return nil }

// What polls waits this long for what ought to come at once.
const (
	testPatience = 10 * time.Second
	testTick     = time.Millisecond
)
