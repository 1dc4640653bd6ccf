package mail

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
)

// A server is a mail server of the test's, which takes RFC 5321 at its word.
type server struct {
	t      *testing.T
	a      *wiretest.Authority
	tls    *tls.Config
	listen net.Listener

	implicit bool
	starttls bool
	auth     string            // mechanisms
	answers  map[string]string // to lines that begin so, instead of 250

	mu       sync.Mutex
	mails    []received
	broken   []string // what no client may do
	sessions int
	wg       sync.WaitGroup
}

// A received mail is one that was taken.
type received struct {
	from string
	to   []string
	text string // without dot-stuffing
}

func newServer(t *testing.T) *server {
	a := wiretest.New(t)
	return &server{t: t, a: a, tls: a.Server(a.Issue("127.0.0.1"), false), starttls: true, answers: make(map[string]string)}
}

func (s *server) start() {
	var err error
	s.listen, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	s.wg.Go(func() {
		for {
			c, err := s.listen.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() {
				defer c.Close()
				s.serve(c)
			})
		}
	})
	s.t.Cleanup(func() {
		s.listen.Close()
		s.wg.Wait()
		require.Empty(s.t, s.broken)
	})
}

// serve is one session.
func (s *server) serve(c net.Conn) {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	secure := s.implicit
	if secure {
		c = tls.Server(c, s.tls)
	}
	s.mu.Lock()
	s.sessions++
	s.mu.Unlock()
	in := bufio.NewReader(c)
	say := func(text string) { fmt.Fprintf(c, "%s\r\n", text) }
	wrong := func(format string, args ...any) {
		s.mu.Lock()
		s.broken = append(s.broken, fmt.Sprintf(format, args...))
		s.mu.Unlock()
	}
	line := func() (string, bool) {
		text, err := in.ReadString('\n')
		if err != nil || text[0] == 0x16 { // TLS, which is not for this port
			return "", false
		}
		if !strings.HasSuffix(text, "\r\n") || strings.Contains(text[:len(text)-2], "\r") {
			wrong("a line without its end: %q", text)
		}
		if len(text) > 1000 { // RFC 5321, Section 4.5.3.1.6
			wrong("a line of %d bytes", len(text))
		}
		return strings.TrimSuffix(text, "\r\n"), true
	}
	say("220 mail.hospital.example ESMTP")
	known, authorized := false, s.auth == ""
	var mail received
	for {
		text, ok := line()
		if !ok {
			return
		}
		verb := strings.ToUpper(strings.Fields(text + " ?")[0])
		answer := "250 OK"
		s.mu.Lock()
		for begin, a := range s.answers {
			if strings.HasPrefix(text, begin) {
				answer = a
			}
		}
		s.mu.Unlock()
		good := strings.HasPrefix(answer, "2")
		switch verb {
		case "EHLO":
			known = true
			say("250-mail.hospital.example")
			if s.starttls && !secure {
				say("250-STARTTLS")
			}
			if secure && s.auth != "" {
				say("250-AUTH " + s.auth)
			}
			say("250-SMTPUTF8")
			say("250 8BITMIME")
			continue
		case "STARTTLS":
			say("220 go on")
			c = tls.Server(c, s.tls)
			in, secure, known = bufio.NewReader(c), true, false
			continue
		case "AUTH":
			if !secure {
				wrong("a password in clear")
			}
			fields := strings.Fields(text)
			given := fields[len(fields)-1]
			want := base64.StdEncoding.EncodeToString([]byte("\x00betonica\x00open sesame"))
			if fields[1] == "LOGIN" {
				say("334 VXNlcm5hbWU6")
				user, _ := line()
				say("334 UGFzc3dvcmQ6")
				pass, _ := line()
				given, want = user+" "+pass, base64.StdEncoding.EncodeToString([]byte("betonica"))+" "+base64.StdEncoding.EncodeToString([]byte("open sesame"))
			}
			if authorized = given == want; authorized {
				say("235 come in")
			} else {
				say("535 no")
			}
			continue
		case "MAIL":
			if !secure || !known || !authorized {
				wrong("%q too early", text)
			}
			if good {
				mail = received{from: text}
			}
		case "RCPT":
			if good {
				mail.to = append(mail.to, strings.TrimSuffix(strings.TrimPrefix(text, "RCPT TO:<"), ">"))
			}
		case "RSET":
			mail = received{}
		case "DATA":
			if len(mail.to) == 0 {
				answer = "503 nobody"
			} else if good {
				say("354 go on")
				for {
					text, ok := line()
					if !ok {
						return
					}
					if text == "." {
						break
					}
					mail.text += strings.TrimPrefix(text, ".") + "\r\n"
				}
				s.mu.Lock()
				for begin, a := range s.answers {
					if what, ok := strings.CutPrefix(begin, "text "); ok && strings.Contains(mail.text, what) {
						answer = a
					}
				}
				if strings.HasPrefix(answer, "2") {
					s.mails = append(s.mails, mail)
				}
				s.mu.Unlock()
				mail = received{}
			}
		case "QUIT":
			say("221 bye")
			return
		}
		say(answer)
	}
}

// got returns what was taken since it was asked last.
func (s *server) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.mails
	s.mails = nil
	return all
}

// say has the server answer lines that begin so with something else; "" with 250 again.
func (s *server) say(begin, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[begin] = answer; answer == "" {
		delete(s.answers, begin)
	}
}
