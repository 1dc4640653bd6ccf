package validate_test

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/validate"
)

// A tape is a connection whose other side has said all that it will.
type tape struct {
	net.Conn
	*bytes.Reader
}

func (t tape) Read(b []byte) (int, error) { return t.Reader.Read(b) }
func (tape) Write(b []byte) (int, error)  { return len(b), nil }

// Whatever a web server answers, it is the key authorization, a redirect to some
// host, or an Error that repeats nothing.
func FuzzHTTP01Answer(f *testing.F) {
	head := "HTTP/1.1 200 OK\r\n"
	for _, seed := range []string{
		head + "\r\n" + keyAuth,
		head + "Content-Length: 99\r\n\r\n" + keyAuth,
		head + "Transfer-Encoding: chunked\r\n\r\n57\r\n" + keyAuth + "\r\n0\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200\r\n\r\n" + keyAuth,
		"HTTP/1.1 302 Found\r\nLocation: https://a@[::1]:1/b?c#d\r\n\r\n",
		"HTTP/1.1 500 " + secret + "\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		u := &url.URL{Scheme: "http", Host: name, Path: path}
		next, err := validate.Ask(t.Context(), tape{Reader: bytes.NewReader(answer)}, u, keyAuth)
		switch {
		case next != nil:
			require.NoError(t, err)
			require.NotEmpty(t, next.Hostname())
			require.Nil(t, next.User)
		case err == nil:
			require.Contains(t, string(answer), "HTTP/1.")
			require.Contains(t, string(answer), " 200")
		default:
			var e *validate.Error
			require.True(t, errors.As(err, &e))
			require.NotContains(t, e.Error(), secret)
		}
	})
}

// Of all the bytes that a SubjectAltName can have, those of one dNSName are it.
func FuzzOnlyName(f *testing.F) {
	f.Add([]byte("\x30\x0a\x82\x08www.test"))
	f.Add([]byte("\x30\x14\x82\x08www.test\x82\x08www.test"))
	f.Add([]byte("\x30\x0a\x82\x08www.test\x00"))
	f.Add([]byte("\x30\x0a\x02\x08www.test"))
	f.Add([]byte("\x30\x0a\xa2\x08www.test"))
	f.Add([]byte("\x30\x81\x0a\x82\x08WWW.test"))
	f.Fuzz(func(t *testing.T, der []byte) {
		want := len(der) == 12 && string(der[:4]) == "\x30\x0a\x82\x08" && strings.EqualFold(string(der[4:]), name)
		require.Equal(t, want, validate.IsOnlyName(der, name))
	})
}
