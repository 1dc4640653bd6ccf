package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/store/audit/plain"
)

const (
	within  = 45 * time.Second // for a whole session: with the wait before, less than the outbox waits
	maxSaid = 1 << 20          // bytes that a server may say in one, TLS included
)

// A client is a session with a mail server.
type client struct {
	*smtp.Client
	stop   func() bool
	broken bool // nothing more can be sent in it
}

// connect begins a session, with TLS, and with AUTH if there is a user.
func (s *Sink) connect(ctx context.Context) (*client, error) {
	config, err := s.conf.TLS.Config(s.host)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: within}
	tcp, err := d.DialContext(ctx, "tcp", s.conf.Server)
	if err != nil {
		return nil, err
	}
	tcp.SetDeadline(time.Now().Add(within))
	c := &client{stop: context.AfterFunc(ctx, func() { tcp.SetDeadline(time.Unix(1, 0)) })}
	var conn net.Conn = &bounded{Conn: tcp, left: maxSaid}
	if s.conf.Implicit {
		conn = tls.Client(conn, config)
	}
	c.Client, err = smtp.NewClient(conn, s.host)
	if err != nil {
		c.stop()
		tcp.Close()
		return nil, said(err)
	}
	if err := s.introduce(c.Client, config); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (s *Sink) introduce(c *smtp.Client, config *tls.Config) error {
	if err := c.Hello(s.conf.Host); err != nil {
		return said(err)
	}
	if !s.conf.Implicit {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errors.New("it offers no STARTTLS, and nothing is sent in clear")
		}
		if err := c.StartTLS(config); err != nil {
			return fmt.Errorf("STARTTLS: %w", said(err))
		}
	}
	if s.conf.User == "" {
		return nil
	}
	password, err := wire.Secret(s.conf.PasswordFile)
	if err != nil {
		return err
	}
	_, offered := c.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	var auth smtp.Auth
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		auth = smtp.PlainAuth("", s.conf.User, string(password), s.host)
	case slices.Contains(mechanisms, "LOGIN"):
		auth = &login{s.conf.User, string(password)}
	default:
		return errors.New("it offers neither AUTH PLAIN nor LOGIN")
	}
	if err := c.Auth(auth); err != nil {
		return fmt.Errorf("AUTH: %w", said(err))
	}
	return nil
}

// A login is AUTH LOGIN, which no RFC has, and some servers have alone. It is only used
// within TLS.
type login struct{ user, password string }

func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, errors.New("there is no TLS")
	}
	return "LOGIN", nil, nil
}

func (l *login) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	if l.user != "" {
		user := l.user
		l.user = ""
		return []byte(user), nil
	}
	return []byte(l.password), nil
}

// begin begins a mail. It asks for no extension: what is sent is US-ASCII.
func (c *client) begin(from string) error { return c.command("MAIL FROM:<%s>", from) }

func (c *client) recipient(to string) error { return c.command("RCPT TO:<%s>", to) }

func (c *client) reset() error { return c.command("RSET") }

// command has the server do something, which it says in 25x.
func (c *client) command(format string, args ...any) error {
	id, err := c.Text.Cmd(format, args...)
	if err == nil {
		c.Text.StartResponse(id)
		defer c.Text.EndResponse(id)
		_, _, err = c.Text.ReadResponse(25)
	}
	return c.failed(err)
}

// failed notes whether the session is over.
func (c *client) failed(err error) error {
	if e, ok := errors.AsType[*textproto.Error](err); err != nil && (!ok || e.Code == 421) { // RFC 5321, Section 3.8
		c.broken = true
	}
	return said(err)
}

// data sends the mail. A server that does not want it, now that it has read it, makes it a
// [*deliver.RefusedError].
func (c *client) data(mail []byte) error {
	w, err := c.Data()
	if err = c.failed(err); err != nil {
		if !c.broken {
			c.reset()
		}
		return err
	}
	if _, err := w.Write(mail); err != nil {
		return c.failed(err)
	}
	if err := c.failed(w.Close()); err != nil {
		if permanent(err) {
			return &deliver.RefusedError{Answer: err.Error()}
		}
		return err
	}
	return nil
}

// close ends the session, politely if that is possible.
func (c *client) close() {
	if !c.broken {
		c.Quit()
	}
	c.stop()
	c.Client.Close()
}

// A reply is one that says no (RFC 5321, Section 4.2).
type reply struct {
	code int
	text string // cleaned and cut
}

func (r *reply) Error() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// permanent reports whether a server said that it will never do so (Section 4.2.1).
func permanent(err error) bool {
	r, ok := errors.AsType[*reply](err)
	return ok && r.code >= 500
}

// said is an error with what the server said cleaned and cut.
func said(err error) error {
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return &reply{e.Code, plain.Clean(e.Msg, maxExcerpt)}
	}
	if e, ok := errors.AsType[textproto.ProtocolError](err); ok {
		return textproto.ProtocolError(plain.Clean(string(e), maxExcerpt))
	}
	if errors.Is(err, io.EOF) {
		return errors.New("it ended the connection")
	}
	return err
}

// A bounded connection says only so much.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("it says more than %d bytes", maxSaid)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
