package mail

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A script is a connection to a server that says what it says, whatever it is told.
type script struct {
	net.Conn // nil
	says     io.Reader
	told     bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.says.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.told.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// clear is all that may be said before TLS: who we are, and that it shall begin. Behind it is
// a record of TLS, a handshake's or an alert.
var clear = regexp.MustCompile(`^(EHLO ca\r\n)?(HELO ca\r\n)?(STARTTLS\r\n((\x16|\x15)\x03(?s:.*))?)?(QUIT\r\n)?$`)

// FuzzClear: whatever a server says that shows no certificate, it hears neither a password
// nor a mail.
func FuzzClear(f *testing.F) {
	for _, text := range []string{
		"220 a\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n",
		"220 a\r\n250-a\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n220 go\r\n250-a\r\n250 AUTH PLAIN LOGIN\r\n235 in\r\n",
		"220 a\r\n250-a\r\n250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 in\r\n",
		"220 a\r\n502 no\r\n250 a\r\n", "554 no\r\n", "220-\r\n220-\r\n220 \r\n", "220 a\r\n250-a\r\n250 STARTTLS\r\n454 later\r\n", "\x16\x03\x01\x00\x00",
	} {
		f.Add([]byte(text))
	}
	file := filepath.Join(f.TempDir(), "password")
	require.NoError(f, os.WriteFile(file, []byte("open sesame"), 0o600))
	s, err := New(Config{Server: "mail:587", From: "a@b", To: []string{"a@b"}, Host: "ca", User: "betonica", PasswordFile: file, Log: slog.New(slog.DiscardHandler)})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, says []byte) {
		conn := &script{says: bytes.NewReader(says)}
		c, err := smtp.NewClient(conn, "mail")
		if err == nil {
			err = s.introduce(c, &tls.Config{ServerName: "mail"})
		}
		require.Error(t, err)
		require.Regexp(t, clear, conn.told.String())
	})
}
