package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/betonica/betonica/enroll/est"
)

// grace is how long a stopping daemon waits for requests that are under way.
// The longest of them is one commit.
const grace = 5 * time.Second

// Run answers on l until ctx ends, or a listener fails, which is the error that
// it returns. Then it accepts no more, lets the requests that are under way
// finish, for at most five seconds, and returns once every connection is closed.
func (s *Server) Run(ctx context.Context, l *Listeners) error {
	l.warnOfFiles(s.Log)
	ending := make(chan struct{})
	s.ending = ending
	fronts := []front{
		{"https", s.door(l.HTTPS, l.line, s.tlsConfig()), s.serverOf(s.https())},
		{"http", l.HTTP, s.serverOf(s.http())},
		{"ops", l.Ops, s.serverOf(s.ops())},
		{"socket", l.Socket, s.serverOf(s.socket())},
	}
	if l.EST != nil {
		fronts = append(fronts, front{"est", s.door(l.EST, l.line, est.TLS(s.ownCertificate)), s.serverOf(s.est())})
	}
	fronts[0].server.RegisterOnShutdown(func() { close(ending) }) // nobody waits for what does not come any more
	fronts[1].server.RegisterOnShutdown(s.Publishers.EndStreams)  // they would never end by themselves

	ended := make(chan error, len(fronts))
	for _, f := range fronts {
		go func() { ended <- f.serve() }()
	}
	var err error
	running := len(fronts)
	select {
	case <-ctx.Done():
	case err = <-ended:
		running--
	}
	s.Log.Info("stopping", "grace", grace)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for _, f := range fronts {
		go func() { ended <- f.stop(stop) }()
	}
	for range running + len(fronts) {
		err = errors.Join(err, <-ended)
	}
	return err
}

// A front is a listener with the server behind it.
type front struct {
	name     string
	listener net.Listener
	server   *http.Server
}

func (f front) serve() error {
	err := f.server.Serve(f.listener)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving %s: %w", f.name, err)
}

// stop drains the server, and cuts off what has not ended when ctx does.
func (f front) stop(ctx context.Context) error {
	if err := f.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		return f.server.Close()
	}
	return nil
}

// serverOf sets every limit of net/http, none of which has a safe default. Where
// an answer takes longer than they allow (an export, a stream), its handler moves
// its own deadline.
func (s *Server) serverOf(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	// A machine has one request at a time. HTTP/2 would let one connection ask for
	// hundreds, past every limit that counts connections.
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       3 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		// Strangers' broken handshakes are not worth an operator's attention.
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

// door has l's connections make their TLS handshake before they are accepted.
// Strangers' broken ones are not worth an operator's attention.
func (s *Server) door(l net.Listener, ahead *line, config *tls.Config) *door {
	return openDoor(l, config, ahead, func(peer net.Addr, err error) {
		level := slog.LevelDebug
		if _, panicked := errors.AsType[*panicError](err); panicked {
			level = slog.LevelError
		}
		s.Log.Log(context.Background(), level, "TLS handshake", "address", peer, "error", err)
	})
}

// tlsConfig asks for a client certificate and verifies none: who it belongs to,
// and whether that is still true, the handlers look up at each request (package
// enroll). That is also why there are no session tickets: nothing shall stand
// for a certificate but the certificate, and machines come twice a day.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		ClientAuth:             tls.RequestClientCert,
		GetCertificate:         s.ownCertificate,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
	}
}

func (s *Server) ownCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.Certificate.Current()
}
