package server

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/revoketest"
)

// The kernel takes little for a peer that reads nothing: a write to it waits before
// it has cost what a stream may. Without the bound it takes megabytes.
func TestUnread(t *testing.T) {
	l, err := Listen(testConfig(t))
	require.NoError(t, err)
	defer l.Close()
	for _, listener := range []net.Listener{l.HTTP, l.HTTPS} {
		near, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		defer near.Close()
		require.NoError(t, near.(*net.TCPConn).SetReadBuffer(4<<10))
		far, err := listener.Accept()
		require.NoError(t, err)
		defer far.Close()
		require.NoError(t, far.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		total, err := far.Write(make([]byte, 64<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Less(t, total, 512<<10)
	}
}

// A thousand subscribers, half of whom never read, cost less than 64 KiB each, keep
// no news from the others, and leave nothing behind.
func TestThousandSubscribers(t *testing.T) {
	const subscribers = 1000
	f := newServer(t, nil)
	f.enrolled("device/thief")
	goroutines, before := runtime.NumGoroutine(), inUse()
	conns := make([]net.Conn, subscribers)
	for i := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.urls.http, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(testPatience)))
		_, err = fmt.Fprintf(conn, "GET /crl/%s/stream HTTP/1.1\r\nHost: ca\r\n\r\n", f.Issuers.Current().IssuerID())
		require.NoError(t, err)
		conns[i] = conn
	}
	require.Eventually(t, func() bool { return f.Publishers.All()[0].Subscribers() == subscribers }, testPatience, testTick)
	cost := (inUse() - before) / subscribers
	require.Less(t, cost, int64(64<<10))
	t.Logf("%d bytes for each subscriber", cost)

	revoker := &revoke.Revoker{Store: f.ca.Store, Log: f.Log}
	fell, err := revoker.Identity(t.Context(), revoketest.Root, "device/thief", revoke.Order{Reason: crl.KeyCompromise})
	require.NoError(t, err)
	for _, conn := range conns[:subscribers/2] {
		lines := bufio.NewReaderSize(conn, 1<<10)
		for line := ""; strings.TrimSpace(line) != "id: "+strconv.FormatInt(fell.Number, 10); {
			line, err = lines.ReadString('\n')
			require.NoError(t, err)
		}
	}
	for _, conn := range conns {
		conn.Close()
	}
	require.Eventually(t, func() bool { return f.Publishers.All()[0].Subscribers() == 0 && runtime.NumGoroutine() <= goroutines+5 }, testPatience, testTick)
}

// inUse is the memory that this process holds for what it has not dropped.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// Where files are few, fewer connections are taken and files are spared; it is said
// once, at the start. Where there are enough, nothing changes, and nothing is said.
func TestFewFiles(t *testing.T) {
	for files, want := range map[int][2]int{
		WantFiles: {maxHTTPS, maxHTTP}, 1 << 20: {maxHTTPS, maxHTTP}, 20000: {7260, 12100}, 1024: {144, 240}, 100: {24, 40},
	} {
		https, http := shares(files)
		require.Equal(t, want, [2]int{https, http}, files)
	}
	files, err := raiseFiles()
	require.NoError(t, err)
	again, err := raiseFiles()
	require.NoError(t, err)
	require.Equal(t, files, again)
	f := newServer(t, nil)
	f.get(f.urls.http + "/chain.crl.pem") // so that it has begun
	said := strings.Contains(f.log.String(), "the limit of open files is low")
	require.Equal(t, files < WantFiles, said)
}
