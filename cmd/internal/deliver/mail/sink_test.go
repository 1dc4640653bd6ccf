package mail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

func anAlert(id int64) alert.Alert {
	return alert.Alert{
		ID: id, Rule: "A03", Key: "k", Severity: alert.Critical, Site: "ward-3", Subject: "device/pump-7", Opened: time.Now(), Last: time.Now(), Count: 1,
		Facts: [2]string{"from 10.0.0.1 at 09:00", "from 172.16.0.9 at 09:00:20"}, Entries: []alert.Ref{{Seq: 7}, {Origin: "hospital.example/journal/icu", Seq: 9}}, State: alert.Open,
	}
}

func record(seq int64, what alert.What, a alert.Alert) deliver.Record {
	return deliver.Record{
		Source: atna.Source{Origin: "hospital.example/log"},
		Entry:  audit.Entry{Seq: seq, At: time.UnixMilli(1763761922200), Event: alert.Change{What: what, Alert: a}.Event()},
	}
}

// sink returns a sink to the server that mails to two people, and does not wait.
func (s *server) sink(change func(*Config)) *Sink {
	s.t.Helper()
	c := Config{
		Server: s.listen.Addr().String(), TLS: wire.TLS{CAFile: s.a.CAFile}, Implicit: s.implicit, Host: "ca.hospital.example", Log: slog.New(slog.DiscardHandler),
		From: "Betonica <ca@hospital.example>", To: []string{"security@hospital.example", "Jörg Müller <joerg@hospital.example>"},
	}
	if change != nil {
		change(&c)
	}
	sink, err := New(c)
	require.NoError(s.t, err)
	sink.gather = 0
	return sink
}

// read reads a mail as a person's program does.
func read(t *testing.T, r received) (h mail.Header, text string) {
	t.Helper()
	require.Negative(t, strings.IndexFunc(r.text, func(c rune) bool { return c != '\r' && c != '\n' && (c < ' ' || c > '~') }), "%q", r.text)
	m, err := mail.ReadMessage(strings.NewReader(r.text))
	require.NoError(t, err)
	require.Equal(t, "quoted-printable", m.Header.Get("Content-Transfer-Encoding"))
	b, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	require.NoError(t, err)
	return m.Header, string(b)
}

// What happened together is one mail to everybody, and says of each alert what a person has
// to know.
func TestSend(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		s := newServer(t)
		s.implicit = implicit
		s.start()
		sink := s.sink(nil)
		low := anAlert(2)
		low.Severity, low.Rule, low.Facts, low.Subjects, low.Subject = alert.Low, "F05", [2]string{".", "Müller's ward: " + strings.Repeat("0123456789 ", 60)}, []string{"device/a", "device/b"}, ""
		done := anAlert(3)
		done.Why = "nothing happened for a day"
		acked := anAlert(4)
		acked.By, acked.Word, acked.Count = "person/alice", "was moved", 8
		issue := deliver.Record{Entry: audit.Entry{Seq: 1, Event: audit.Event{Action: "certificate.issue"}}}
		batch := []deliver.Record{issue, record(11, alert.Opening, anAlert(1)), record(12, alert.Opening, low), record(13, alert.Resolving, done), record(14, alert.Acknowledging, acked), record(15, alert.Counting, acked), issue}
		n, err := sink.Send(t.Context(), batch)
		require.NoError(t, err)
		require.Len(t, batch, n)
		mails := s.got()
		require.Len(t, mails, 1)
		require.Equal(t, "MAIL FROM:<ca@hospital.example>", mails[0].from, "it asks for nothing that a relay may lack")
		require.Equal(t, []string{"security@hospital.example", "joerg@hospital.example"}, mails[0].to)
		h, text := read(t, mails[0])
		require.Equal(t, "Betonica: CRITICAL: alerts: 2 opened, 1 acknowledged, 1 resolved", h.Get("Subject"))
		require.Equal(t, `"Betonica" <ca@hospital.example>`, h.Get("From"))
		to, err := h.AddressList("To")
		require.NoError(t, err)
		require.Equal(t, "Jörg Müller", to[1].Name)
		require.Regexp(t, `^<betonica\.[0-9a-f]{16}\.11-15@ca\.hospital\.example>$`, h.Get("Message-ID"))
		again := record(11, alert.Opening, anAlert(1)) // of a CA that was restored from a backup
		again.Entry.Hash = tlog.RecordHash([]byte("another"))
		_, err = s.sink(nil).Send(t.Context(), append([]deliver.Record{issue, again}, batch[2:]...))
		require.NoError(t, err)
		repeated := s.got()
		require.Len(t, repeated, 1)
		other, _ := read(t, repeated[0])
		require.NotEqual(t, h.Get("Message-ID"), other.Get("Message-ID"))
		require.Equal(t, "auto-generated", h.Get("Auto-Submitted"))
		_, err = h.Date()
		require.NoError(t, err)
		rule, _ := alert.RuleOf("A03")
		for _, want := range []string{
			"CRITICAL 1 opened: A03 " + rule.Title, "about:    device/pump-7", "site:     ward-3", "fact:     from 10.0.0.1 at 09:00\r\n", "fact:     from 172.16.0.9 at 09:00:20",
			"log:      entry 7, entry 9 of hospital.example/journal/icu", "do:       " + rule.Do, "betonica alert ack 1", "fact:     .\r\n", "fact:     Müller's ward: " + low.Facts[1][len("Müller's ward: "):],
			"LOW 2 opened: F05 ", "device/a, device/b", "3 resolved: A03 ", "resolved: nothing happened for a day", "4 acknowledged", "by:       person/alice", "word:     was moved", "found:    8 times",
		} {
			require.Contains(t, text, want)
		}

		_, err = sink.Send(t.Context(), []deliver.Record{record(16, alert.Opening, anAlert(9))})
		require.NoError(t, err)
		h, _ = read(t, s.got()[0])
		require.Equal(t, "Betonica: CRITICAL: alerts: 1 opened: A03 "+rule.Title+", device/pump-7", h.Get("Subject"))

		before := s.sessions
		n, err = sink.Send(t.Context(), []deliver.Record{issue, record(17, alert.Counting, acked)})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, before, s.sessions, "nobody is asked for what nobody reads")
	}
}

// Nothing is sent in clear, or to somebody else; a password only to whom it is for, and no
// error has it.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(text string) string {
		f := filepath.Join(dir, text)
		require.NoError(t, os.WriteFile(f, []byte(text), 0o600))
		return f
	}
	for name, tt := range map[string]struct {
		server func(*server)
		sink   func(*Config)
		want   string
	}{
		"clear":           {func(s *server) { s.starttls = false }, nil, "offers no STARTTLS"},
		"other authority": {nil, func(c *Config) { c.TLS.CAFile = "" }, "STARTTLS: tls: failed to verify certificate"},
		"other name":      {nil, func(c *Config) { c.TLS.ServerName = "mail.evil.example" }, "STARTTLS: tls: failed to verify certificate"},
		"TLS for clear":   {nil, func(c *Config) { c.Implicit = true }, "first record does not look like a TLS handshake"},
		"plain":           {func(s *server) { s.auth = "LOGIN PLAIN" }, func(c *Config) { c.User, c.PasswordFile = "betonica", file("open sesame") }, ""},
		"login":           {func(s *server) { s.auth = "XOAUTH2 login" }, func(c *Config) { c.User, c.PasswordFile = "betonica", file("open sesame") }, ""},
		"wrong password":  {func(s *server) { s.auth = "PLAIN" }, func(c *Config) { c.User, c.PasswordFile = "betonica", file("canary") }, "AUTH: 535 no"},
		"no AUTH":         {nil, func(c *Config) { c.User, c.PasswordFile = "betonica", file("open sesame") }, "neither AUTH PLAIN nor LOGIN"},
		"other AUTH":      {func(s *server) { s.auth = "XOAUTH2" }, func(c *Config) { c.User, c.PasswordFile = "betonica", file("open sesame") }, "neither AUTH PLAIN nor LOGIN"},
		"no file":         {func(s *server) { s.auth = "PLAIN" }, func(c *Config) { c.User, c.PasswordFile = "betonica", dir+"/none" }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			if tt.server != nil {
				tt.server(s)
			}
			s.start()
			n, err := s.sink(tt.sink).Send(t.Context(), []deliver.Record{record(1, alert.Opening, anAlert(1))})
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, 1, n)
				require.Len(t, s.got(), 1)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "canary")
			require.Zero(t, n)
			require.Empty(t, s.got())
		})
	}
}

// What a server does not want of a recipient is that recipient's matter, for good or for
// now; what it wants of nobody waits.
func TestRecipients(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	var log bytes.Buffer
	sink := s.sink(func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	first, second := record(1, alert.Opening, anAlert(1)), record(2, alert.Opening, anAlert(2))

	s.say("RCPT", "550 5.1.1 nobody here")
	n, err := sink.Send(t.Context(), []deliver.Record{first})
	require.ErrorContains(t, err, "nobody is let have it: 550 5.1.1 nobody here")
	require.Zero(t, n)
	_, refused := errors.AsType[*deliver.RefusedError](err)
	require.False(t, refused)
	s.say("RCPT", "")

	s.say("RCPT TO:<joerg", "450 4.2.0 greylisted")
	n, err = sink.Send(t.Context(), []deliver.Record{first})
	require.ErrorContains(t, err, "refused for now: 450 4.2.0 greylisted")
	require.Zero(t, n)
	require.Equal(t, []string{"security@hospital.example"}, s.got()[0].to)
	n, err = sink.Send(t.Context(), []deliver.Record{first})
	require.Error(t, err)
	require.Zero(t, n)
	require.Empty(t, s.got(), "who has it does not get it again")
	n, err = sink.Send(t.Context(), []deliver.Record{first, second})
	require.Error(t, err)
	require.Zero(t, n)
	require.Len(t, s.got(), 1, "and is not kept from what is new")
	s.say("RCPT TO:<joerg", "")
	n, err = sink.Send(t.Context(), []deliver.Record{first, second})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	mails := s.got()
	require.Len(t, mails, 1)
	require.Equal(t, []string{"joerg@hospital.example"}, mails[0].to)
	_, text := read(t, mails[0])
	require.Contains(t, text, "CRITICAL 1 opened")
	require.Contains(t, text, "CRITICAL 2 opened")
	require.Empty(t, log.String())

	s.say("RCPT TO:<joerg", "450 4.2.0 greylisted")
	third := record(3, alert.Opening, anAlert(3))
	n, err = sink.Send(t.Context(), []deliver.Record{third})
	require.Error(t, err)
	require.Zero(t, n)
	sink.people[1].refused = time.Now().Add(-greylisted - time.Minute)
	n, err = sink.Send(t.Context(), []deliver.Record{third})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Contains(t, log.String(), "joerg@hospital.example")
	log.Reset()

	s.say("RCPT TO:<joerg", "550 gone")
	n, err = sink.Send(t.Context(), []deliver.Record{record(4, alert.Opening, anAlert(4))})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Contains(t, log.String(), "550 gone")
}

// A mail that a server has read and does not want is found among the others; every other
// answer is the server's trouble.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	sink := s.sink(nil)
	bad := anAlert(2)
	bad.Site = "viagra"
	batch := []deliver.Record{record(1, alert.Opening, anAlert(1)), record(2, alert.Opening, bad), record(3, alert.Opening, anAlert(3))}
	s.say("text viagra", "554 5.7.1 no spam\x1b[2J")
	n, err := sink.Send(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = sink.Send(t.Context(), batch[1:])
	refused, ok := errors.AsType[*deliver.RefusedError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, `554 5.7.1 no spam\x1b[2J`, refused.Answer)
	require.Zero(t, n)
	n, err = sink.Send(t.Context(), batch[2:])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, s.got(), 2)

	s.say("text viagra", "")
	for begin, answer := range map[string]string{"MAIL": "550 not you", "DATA": "451 later", "RCPT": "421 shutting down", "text CRITICAL": "452 full"} {
		s.say(begin, answer)
		n, err := sink.Send(t.Context(), []deliver.Record{record(9, alert.Opening, bad)})
		require.ErrorContains(t, err, answer)
		_, refused := errors.AsType[*deliver.RefusedError](err)
		require.False(t, refused)
		require.Zero(t, n)
		s.say(begin, "")
	}
}

// A server that says too much, or nothing, does not hold the sink up.
func TestNonsense(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.listen = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for {
					if _, err := io.WriteString(c, strings.Repeat("220-", 4<<10)); err != nil {
						return
					}
				}
			}()
		}
	}()
	_, err = s.sink(nil).Send(t.Context(), []deliver.Record{record(1, alert.Opening, anAlert(1))})
	require.ErrorContains(t, err, "it says more than 1048576 bytes")
	l.Close()

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	s.listen = silent
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := silent.Accept()
		if err == nil {
			defer c.Close()
			cancel()
			io.Copy(io.Discard, c)
		}
	}()
	n, err := s.sink(nil).Send(ctx, []deliver.Record{record(1, alert.Opening, anAlert(1))})
	require.Error(t, err)
	require.Zero(t, n)
}

// Alerts do not make a mail each: after one there is a pause, but for what is critical.
func TestGather(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	sink := s.sink(nil)
	sink.gather = time.Hour
	low := anAlert(1)
	low.Severity = alert.High
	_, err := sink.Send(t.Context(), []deliver.Record{record(1, alert.Opening, low)})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	n, err := sink.Send(ctx, []deliver.Record{record(2, alert.Opening, low)})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, n)
	n, err = sink.Send(t.Context(), []deliver.Record{record(2, alert.Opening, low), record(3, alert.Opening, anAlert(2))})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Len(t, s.got(), 2)
}

// A configuration that cannot work is an error at once.
func TestNew(t *testing.T) {
	t.Parallel()
	good := Config{Server: "mail:587", From: "ca@hospital.example", To: []string{"a@b.example"}, Host: "ca"}
	_, err := New(good)
	require.NoError(t, err)
	for want, change := range map[string]func(*Config){
		"is not the host:port":                           func(c *Config) { c.Server = "mail" },
		"go together":                                    func(c *Config) { c.User = "x" },
		"is not a host's name":                           func(c *Config) { c.Host = "a\r\nRCPT TO:<evil@evil.example>" },
		`"" is not an address`:                           func(c *Config) { c.From = "" },
		`"a b" is not an address`:                        func(c *Config) { c.From = "a b" },
		`"a@b,c@d" is not an address`:                    func(c *Config) { c.To = []string{"a@b,c@d"} },
		`"müller@hospital.example" is not an address`:    func(c *Config) { c.To = []string{"müller@hospital.example"} },
		`"\"a> <b\"@hospital.example" is not an address`: func(c *Config) { c.To = []string{`"a> <b"@hospital.example`} },
		"there are 0 recipients":                         func(c *Config) { c.To = nil },
		"there are 101 recipients":                       func(c *Config) { c.To = make([]string, 101) },
	} {
		c := good
		change(&c)
		_, err := New(c)
		require.ErrorContains(t, err, want)
	}
}
