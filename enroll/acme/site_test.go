package acme_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// A site is what the CA looks at: one host with a web server, and a name server in
// whose zone every name has that host's address.
type site struct {
	http, alpn net.Listener
	dns        net.PacketConn

	mu    sync.Mutex
	files map[string]string // by path
	certs map[string]*tls.Certificate
	txt   map[string]string
}

func newSite(t *testing.T) *site {
	s := &site{files: map[string]string{}, certs: map[string]*tls.Certificate{}, txt: map[string]string{}}
	s.http, s.alpn = listen(t), listen(t)
	var err error
	s.dns, err = net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	web := &http.Server{Handler: s}
	var running sync.WaitGroup
	running.Go(func() { web.Serve(s.http) })
	running.Go(s.serveALPN)
	running.Go(s.serveDNS)
	t.Cleanup(func() { web.Close(); s.alpn.Close(); s.dns.Close(); running.Wait() })
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Write([]byte(text))
}

func (s *site) serveALPN() {
	config := &tls.Config{NextProtos: []string{"acme-tls/1"}, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.certs[hello.ServerName], nil
	}}
	for {
		conn, err := s.alpn.Accept()
		if err != nil {
			return
		}
		tls.Server(conn, config).HandshakeContext(context.Background())
		conn.Close()
	}
}

func (s *site) serveDNS() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.dns.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Response, m.Additionals = true, nil
		header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		s.mu.Lock()
		text, ok := s.txt[strings.TrimSuffix(q.Name.String(), ".")]
		s.mu.Unlock()
		switch {
		case q.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
		case q.Type == dnsmessage.TypeTXT && ok:
			m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.TXTResource{TXT: []string{text}}}}
		}
		if answer, err := m.Pack(); err == nil {
			s.dns.WriteTo(answer, from)
		}
	}
}

func (s *site) show(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = text
}

func (s *site) showCertificate(name string, cert tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certs[name] = &cert
}

func (s *site) showTXT(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txt[name] = text
}
