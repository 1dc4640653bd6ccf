package store

import (
	"crypto/fips140"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// In FIPS 140-3 mode a server that asks for a password by MD5 is refused, with a sentence
// that names it, whatever else the data source says; otherwise it is answered.
func TestApprovedAuth(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	said := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			server := pgproto3.NewBackend(conn, conn)
			if _, err := server.ReceiveStartupMessage(); err == nil {
				server.Send(&pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}})
				if server.Flush() == nil {
					if m, err := server.Receive(); err == nil {
						if p, ok := m.(*pgproto3.PasswordMessage); ok {
							said <- p.Password
						}
					}
				}
			}
			conn.Close()
		}
	}()
	for _, required := range []string{"", "&require_auth=!password", "&require_auth=!md5"} {
		conf, err := pgx.ParseConfig("postgres://u:secret@" + listener.Addr().String() + "/x?sslmode=disable" + required)
		require.NoError(t, err)
		require.NoError(t, approvedAuth(conf))
		_, err = pgx.ConnectConfig(t.Context(), conf)
		require.Error(t, err)
		if fips140.Enabled() || strings.HasSuffix(required, "!md5") {
			require.ErrorContains(t, err, "md5")
			require.Empty(t, said)
		} else {
			require.True(t, strings.HasPrefix(<-said, "md5"))
		}
	}
	conf, err := pgx.ParseConfig("postgres://u@localhost/x?require_auth=scram-sha-256,md5")
	require.NoError(t, err)
	if err := approvedAuth(conf); fips140.Enabled() {
		require.ErrorContains(t, err, "leave md5 out")
	} else {
		require.NoError(t, err)
	}
	conf.RequireAuth = "scram-sha-256"
	require.NoError(t, approvedAuth(conf))
	require.Equal(t, "scram-sha-256", conf.RequireAuth)
}
