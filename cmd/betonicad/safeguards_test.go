package main

import (
	"crypto/fips140"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whether a listener takes TLS 1.1 is said of those that do, of those that do not, and of
// nothing else.
func TestTryListener(t *testing.T) {
	for name, tt := range map[string]struct {
		least   uint16
		refuses bool
	}{
		"old": {tls.VersionTLS10, false}, "1.1": {tls.VersionTLS11, false}, "1.2": {tls.VersionTLS12, true}, "1.3": {tls.VersionTLS13, true},
	} {
		if !tt.refuses && fips140.Enabled() {
			continue // such a server is none of crypto/tls then
		}
		s := httptest.NewUnstartedServer(nil)
		s.TLS = &tls.Config{MinVersion: tt.least}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		l := tryListener(t.Context(), "https", s.Listener.Addr().String())
		s.Close()
		require.Empty(t, l.Trouble, name)
		require.Equal(t, tt.refuses, l.Refuses, name)
		require.Equal(t, "TLS 1.3", l.Version, name)
	}
	l := tryListener(t.Context(), "https", "127.0.0.1:1")
	require.NotEmpty(t, l.Trouble)
}

// What is answered to a hello of TLS 1.1 is an alert, the end, or the beginning of a
// handshake; whatever else it may be, nothing is made of it.
func TestTakesOldTLS(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		takes  bool
		fails  bool
	}{
		"alert":            {"15030100020246", false, false},
		"beginning of one": {"15", false, false},
		"nothing":          {"", false, false},
		"ServerHello 1.1":  {"160302002a020000260302", true, false},
		"ServerHello 1.0":  {"160301002a020000260301", true, false},
		"ServerHello 1.2":  {"160303002a020000260303", false, false},
		"half of a hello":  {"160302002a", false, true},
		"HTTP":             {hex.EncodeToString([]byte("HTTP/1.0 400 Bad Request\r\n")), false, true},
		"another message":  {"160302002a0b0000260302", false, true},
		"noise":            {"ffffffffffffffffffffffffffffffffffff", false, true},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			c.Read(make([]byte, 512)) // all of the hello: what is left unread would reset the connection
			answer, _ := hex.DecodeString(tt.answer)
			c.Write(answer)
		}()
		takes, err := takesOldTLS(t.Context(), l.Addr().String())
		l.Close()
		require.Equal(t, tt.takes, takes, name)
		require.Equal(t, tt.fails, err != nil, "%s: %v", name, err)
	}
}
