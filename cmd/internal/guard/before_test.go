package guard_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
)

// Nothing goes to a target of which there is no record, not even who is there.
func TestNothingBeforeTheRecord(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.conf("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url(), ProxyProtocol: true})
	server.records.before = func(r record.Record) error {
		if r.Operation == "open" {
			return errors.New("the disk is full")
		}
		return nil
	}
	server.start()
	c := server.dial("db", w.ca.Identity("device/pump-1"))
	got, err := io.ReadAll(app.accept())
	require.NoError(t, err)
	require.Empty(t, got)
	ended(t, c)
}

// A target that speaks first hears who is there without a byte of his.
func TestTargetSpeaksFirst(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url(), ProxyProtocol: true})
	c := server.dial("db", w.ca.Identity("device/pump-1"))
	target := app.accept()
	head := make([]byte, 12)
	_, err := io.ReadFull(target, head)
	require.NoError(t, err)
	require.Equal(t, "\r\n\r\n\x00\r\nQUIT\n", string(head))
	_, err = target.Write([]byte("welcome"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, head[:7])
	require.NoError(t, err)
	require.Equal(t, "welcome", string(head[:7]))
}

// A disk that hangs while a connection too many is put on record holds up no other, and
// once it is back none of them is forgotten.
func TestTooManyWhileTheDiskHangs(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.conf("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	server.conf.MaxConnections = 1
	hangs := make(chan struct{})
	back := sync.OnceFunc(func() { close(hangs) })
	defer back()
	server.records.before = func(r record.Record) error {
		if strings.Contains(r.Reason, "too many") {
			<-hangs
		}
		return nil
	}
	server.start()
	pump := w.ca.Identity("device/pump-1")
	c, target := server.dial("db", pump), app.accept()
	for range 30 {
		many, err := net.Dial("tcp", server.Address("db").String())
		require.NoError(t, err)
		ended(t, many)
		many.Close()
	}
	c.Close()
	ended(t, target)
	target.Close()
	require.Eventually(t, func() bool {
		c, err := server.tryDial("db", pump)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, ten, tick)
	back()
	server.records.wait(func(r record.Record) bool { return strings.Contains(r.Reason, "too many") })
	server.records.wait(func(r record.Record) bool { return strings.Contains(r.Reason, "more connections were refused") })
}
