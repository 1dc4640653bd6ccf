package main_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"time"

	"github.com/stretchr/testify/require"
)

// pulse is how often a server is asked whether it has changed its mind.
const pulse = 10 * time.Millisecond

// until knocks until the server lets the machine in, or refuses it for being
// revoked. It may be starting; but it must not say the opposite.
func (p *place) until(what string, h *holder, in bool) {
	p.t.Helper()
	var saw string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pulse) {
		accepted, refused := false, false
		accepted, refused, saw = p.try(h)
		if in {
			require.False(p.t, refused, "%s: %s", what, saw)
		} else {
			require.False(p.t, accepted, "%s is let in", what)
		}
		if accepted || refused {
			return
		}
	}
	p.t.Fatalf("%s: %s", what, saw)
}

// awaitRefusal knocks until the server refuses the machine for being revoked.
func (p *place) awaitRefusal(h *holder) {
	p.t.Helper()
	var saw string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pulse) {
		var refused bool
		if _, refused, saw = p.try(h); refused {
			return
		}
	}
	p.t.Fatalf("a revoked machine is not refused: %s", saw)
}

// try knocks once. A server that is down, or refuses for another reason, has neither
// accepted nor refused.
func (p *place) try(h *holder) (accepted, refused bool, saw string) {
	from := len(p.said(0))
	saw, accepted = p.recipe.knock(p, h)
	if accepted {
		return true, false, saw
	}
	for range 10 { // what it logs may come a moment later
		saw = saw + p.said(from)
		if regexp.MustCompile(p.recipe.says).MatchString(saw) {
			return false, true, saw
		}
		time.Sleep(pulse)
	}
	return false, false, saw
}

// dial connects by TLS as the machine, resuming an earlier session if the server
// lets it: whoever was revoked must not come in by that either.
func (p *place) dial(h *holder) (*tls.Conn, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", "127.0.0.1:"+p.port, &tls.Config{
		Certificates:       []tls.Certificate{h.pair},
		ClientSessionCache: h.sessions,
		ServerName:         "web",
		InsecureSkipVerify: true, // the names are not of the matter; who issued it is
		VerifyConnection: func(cs tls.ConnectionState) error {
			between := x509.NewCertPool()
			for _, c := range cs.PeerCertificates[1:] {
				between.AddCert(c)
			}
			_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: p.roots, Intermediates: between})
			return err
		},
	})
	if err == nil {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return conn, err
}

// get asks for a page.
func get(p *place, h *holder) (string, bool) {
	conn, err := p.dial(h)
	if err != nil {
		return err.Error(), false
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /hello.txt HTTP/1.0\r\nHost: web\r\n\r\n"); err != nil {
		return err.Error(), false
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error(), false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%s %s %v", resp.Status, body, err), resp.StatusCode == http.StatusOK
}

// psql logs in.
func psql(p *place, h *holder) (string, bool) {
	at := fmt.Sprintf("host=127.0.0.1 port=%s user=reader dbname=postgres sslmode=verify-ca sslrootcert=%[2]s/roots.pem sslcert=%[2]s/cert.pem sslkey=%[2]s/key.pem",
		p.port, h.dir+"/current")
	out, err := exec.Command(program(p.t, "psql"), "-At", "-c", "SELECT current_user", at).CombinedOutput()
	return string(out), err == nil && string(out) == "reader\n"
}

// mqtt connects to a broker (MQTT 3.1.1, Section 3.1).
func mqtt(p *place, h *holder) (string, bool) {
	conn, err := p.connect(h)
	if err != nil {
		return err.Error(), false
	}
	conn.Close()
	return "", true
}

func (p *place) connect(h *holder) (*tls.Conn, error) {
	conn, err := p.dial(h)
	if err != nil {
		return nil, err
	}
	const keepAlive = 60 // seconds
	id := h.pair.Leaf.Subject.CommonName
	hello := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2 /* clean session */, 0, keepAlive, 0, byte(len(id))}, id...)
	if _, err = conn.Write(append([]byte{0x10, byte(len(hello))}, hello...)); err == nil {
		var answer [4]byte
		if _, err = io.ReadFull(conn, answer[:]); err == nil && answer != [4]byte{0x20, 2, 0, 0} {
			err = fmt.Errorf("CONNACK %x", answer)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// mqttSession stays connected, and says when that ends, and why.
func mqttSession(p *place, h *holder) <-chan error {
	own := *h
	own.pair.Leaf = &x509.Certificate{Subject: h.pair.Leaf.Subject}
	own.pair.Leaf.Subject.CommonName += "-session" // a second connection of one name would end the first
	conn, err := p.connect(&own)
	require.NoError(p.t, err)
	require.NoError(p.t, conn.SetDeadline(time.Now().Add(patience)))
	p.t.Cleanup(func() { conn.Close() })
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		ended <- err
	}()
	return ended
}
