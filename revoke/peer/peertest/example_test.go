package peertest_test

import (
	"net"
	"testing"
	"time"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// A program's own test: what was revoked gets no more service.
func Example() {
	_ = func(t *testing.T) { // TestRevoked
		ca := peertest.New(t)
		service, err := peer.Open(t.Context(), peer.Config{
			Source: ca.Identity("service/records"), State: t.TempDir(), Allow: []string{peertest.Everyone},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		listener, err := service.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go serve(listener)

		scanner := ca.Identity("device/scanner-7")
		client, err := peer.Open(t.Context(), peer.Config{Source: scanner, State: t.TempDir(), Allow: []string{peertest.Everyone}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := client.Dial(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ca.Revoke(scanner)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("it is still connected")
		}
	}
}

// serve holds connections, and says nothing.
func serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { c.Read(make([]byte, 1)); c.Close() }()
	}
}
