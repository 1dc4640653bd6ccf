package main_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
)

// bareRelay starts what no guard before an application can do without, and nothing else: a
// process that ends the caller's mutual TLS and passes heads of requests on over a
// connection to the application that each caller's has for itself, and answers of known
// length back. It reads no names, decides nothing and keeps no record: what it costs is the
// least that a guard in Go can.
func (w *ward) bareRelay(b *testing.B, m machine, app string) path {
	at := "127.0.0.1:" + freePort(b)
	pair := m.pair(b)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		b.Fatal(err)
	}
	p := startBystanders(b, "relay", crowd{URL: app, HTTPS: at, Gateway: machineText{key, pair.Certificate}})
	return path{name: "bare", address: at, guards: []*sentry{{process: &process{pid: p.pid}}}}
}

// relay serves until the process ends.
func (c crowd) relay() error {
	l, err := tls.Listen("tcp", c.HTTPS, &tls.Config{Certificates: []tls.Certificate{*c.Gateway.pair()}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		return err
	}
	go func() {
		for {
			caller, err := l.Accept()
			if err != nil {
				return
			}
			app, err := net.Dial("tcp", c.URL)
			if err != nil {
				return
			}
			go relayed(caller, app)
		}
	}()
	say("ready")
	return nil
}

// relayed passes requests without bodies, and their answers.
func relayed(caller, app net.Conn) {
	defer caller.Close()
	defer app.Close()
	in, out := bufio.NewReader(caller), bufio.NewReaderSize(app, 16<<10)
	for {
		request, _, err := message(in)
		if err != nil {
			return
		}
		if _, err := app.Write(request); err != nil {
			return
		}
		answer, length, err := message(out)
		if err != nil {
			return
		}
		n := len(answer)
		answer = append(answer, make([]byte, length)...)
		for n < len(answer) {
			m, err := out.Read(answer[n:])
			if n += m; err != nil {
				return
			}
		}
		if _, err := caller.Write(answer); err != nil {
			return
		}
	}
}

// message reads a head, and the length that it names.
func message(in *bufio.Reader) (head []byte, length int, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, 0, err
		}
		head = append(head, line...)
		if digits, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			for _, c := range strings.TrimSpace(digits) {
				length = 10*length + int(c-'0')
			}
		}
		if len(line) == 2 {
			return head, length, nil
		}
	}
}
