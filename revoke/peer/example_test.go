package peer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peermetrics"
)

// A server lets pumps in, and nobody who was revoked: from then on, and where he
// is connected.
func Example_server() {
	var identity peer.Source // the machine's Agent, of package enroll/agent
	p, err := peer.Open(context.Background(), peer.Config{
		Source: identity,
		State:  "/var/lib/gateway/peer",
		Allow:  []string{"spiffe://hospital.example/device/pump-*"},
		Report: "https://ca.hospital.example:8443",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	listener, err := p.Listen("tcp", ":8443")
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello", r.TLS.PeerCertificates[0].URIs[0])
	})}
	log.Fatal(server.Serve(listener))
}

// A server of any protocol has the TLS configuration, on a TCP listener of its own.
func ExamplePeer_Server() {
	var p *peer.Peer // from Open
	server := http.Server{Addr: ":8443", TLSConfig: p.Server()}
	log.Fatal(server.ListenAndServeTLS("", "")) // the certificate is the Peer's
}

// A client connects to the server that it means, and is cut off from it when that is
// revoked.
func ExamplePeer_Dial() {
	var p *peer.Peer // from Open
	conn, err := p.Dial(context.Background(), "tcp", "gateway.hospital.example:2575")
	if refused, ok := errors.AsType[*peer.RefusedError](err); ok {
		log.Fatalf("%s is not to be trusted: %v", refused.ID, refused.Err)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}

// Two machines speak over HTTP until one of them is revoked. The CA is one for
// tests, in the same process; see package peertest.
func ExamplePeer_HTTPClient() {
	ca := newExampleCA()
	defer ca.end()
	gateway, pump := ca.open("device/gateway"), ca.open("device/pump-1")
	listener, err := gateway.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", r.TLS.PeerCertificates[0].URIs[0])
	}))
	_, port, _ := net.SplitHostPort(listener.Addr().String())

	client := pump.HTTPClient()
	resp, err := client.Get("https://localhost:" + port)
	if err != nil {
		log.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Println(string(body))

	number := ca.Revoke(ca.machines["device/pump-1"])
	awaitNumber(gateway, number)
	_, err = client.Get("https://localhost:" + port)
	fmt.Println("refused:", err != nil)
	// Output:
	// hello spiffe://test.example/device/pump-1
	// refused: true
}

// A server shows an OCSP answer about itself in each handshake.
func Example_staple() {
	ca := newExampleCA()
	defer ca.end()
	stapled := make(chan struct{}, 16)
	gateway := ca.open("device/gateway", func(c *peer.Config) {
		c.Staple = true
		c.Events = func(e peer.Event) {
			if e.Kind == peer.Stapled {
				stapled <- struct{}{}
			}
		}
	})
	<-stapled
	listener, err := gateway.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	conn, err := ca.open("device/pump-1").Dial(context.Background(), "tcp", "localhost:"+port)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println("stapled:", len(conn.OCSPResponse()) > 0)
	// Output: stapled: true
}

// A machine hears of revocations from its neighbour, and asks the CA only if that
// is gone. The neighbour needs no trust, and needs no TLS.
func ExamplePeer_Relay() {
	ca := newExampleCA()
	defer ca.end()
	neighbour := ca.open("device/gateway-1")
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	relay := http.Server{Handler: neighbour.Relay(), ReadHeaderTimeout: 10 * time.Second}
	go relay.Serve(listener)
	defer relay.Close()

	gateway := ca.open("device/gateway-2", func(c *peer.Config) {
		c.Relays = []string{"http://" + listener.Addr().String()}
	})
	number := ca.Revoke(ca.Identity("device/pump-1"))
	awaitNumber(gateway, number)
	fmt.Println("enforced")
	// Output: enforced
}

// What a peer knows and does, for Prometheus.
func Example_metrics() {
	ca := newExampleCA()
	defer ca.end()
	registry := prometheus.NewRegistry()
	registry.MustRegister(peermetrics.New(ca.open("device/gateway")))
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "betonica_peer_crl_usable" {
			for _, m := range f.GetMetric() {
				fmt.Println(m.GetGauge().GetValue())
			}
		}
	}
	// Output:
	// 1
	// 1
}

// An operator hears what happens.
func ExampleEvent() {
	var c peer.Config
	c.Events = func(e peer.Event) {
		switch e.Kind {
		case peer.Cut, peer.Refused:
			fmt.Println(e.Kind, e.ID, e.Err)
		case peer.Silent, peer.Stale:
			fmt.Println("look at the CA:", e.Issuer, e.Err)
		}
	}
}
