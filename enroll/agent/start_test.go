package agent_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

// Start gives a program a certificate that others accept, enrols only an empty
// directory, and stops with its context.
func TestStart(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	conf.TokenFile = filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(conf.TokenFile, []byte(" "+ca.Token("device", "SN-1").String()+"\n"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	a, err := agent.Start(ctx, conf)
	require.NoError(t, err)

	server, dial := &tls.Config{GetCertificate: a.GetCertificate, ClientCAs: a.Roots(), ClientAuth: tls.RequireAndVerifyClientCert},
		&tls.Config{GetClientCertificate: a.GetClientCertificate, RootCAs: a.Roots(), InsecureSkipVerify: true}
	require.NoError(t, handshake(t, server, dial))

	cancel()
	a.Wait()
	require.NoError(t, os.Remove(conf.TokenFile))
	ctx, cancel = context.WithCancel(t.Context())
	b, err := agent.Start(ctx, conf) // the token is not needed any more
	require.NoError(t, err)
	cancel()
	b.Wait()
	require.Equal(t, a.Certificate().Leaf.SerialNumber, b.Certificate().Leaf.SerialNumber)
	require.Len(t, ca.Issued(), 1)

	empty := agent.Config{Dir: t.TempDir(), URL: ca.URL}
	_, err = agent.Start(t.Context(), empty)
	require.ErrorIs(t, err, agent.ErrNotEnrolled)
}

func handshake(t *testing.T, server, dial *tls.Config) error {
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	require.NoError(t, err)
	defer ln.Close()
	result := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			err = conn.(*tls.Conn).HandshakeContext(t.Context())
			conn.Close()
		}
		result <- err
	}()
	conn, err := tls.Dial("tcp", ln.Addr().String(), dial)
	require.NoError(t, err)
	defer conn.Close()
	return <-result
}

// A certificate that ran out is tried to be renewed once, and never bought anew.
func TestStartExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newWire()
		ca := catest.Serve(t, net)
		conf := agent.Config{Dir: t.TempDir(), URL: ca.URL, TokenFile: filepath.Join(t.TempDir(), "token"), DialContext: net.dial}
		mustEnroll(t, ca, conf)
		require.NoError(t, os.WriteFile(conf.TokenFile, []byte(ca.Token("device", "SN-1").String()), 0o600))
		after(25 * time.Hour)
		_, err := agent.Start(t.Context(), conf)
		require.ErrorContains(t, err, "ran out at")
		require.Len(t, ca.Issued(), 1)
		require.Equal(t, 1, count(ca.Seen(), "POST /v1/renew/late"))
		require.Zero(t, count(ca.Seen(), "POST /v1/renew"))
		require.Equal(t, 1, count(ca.Seen(), "POST /v1/enroll"))

		// The next one, soon after, does not even ask.
		_, err = agent.Start(t.Context(), conf)
		var denied *agent.DeniedError
		require.ErrorAs(t, err, &denied)
		require.Equal(t, 1, count(ca.Seen(), "POST /v1/renew/late"))
	})
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// A token file that holds something else is named, and not quoted.
func TestTokenFile(t *testing.T) {
	conf := agent.Config{Dir: t.TempDir(), URL: "https://127.0.0.1:1", TokenFile: filepath.Join(t.TempDir(), "token")}
	require.NoError(t, os.WriteFile(conf.TokenFile, []byte("bt1.almost-a-secret"), 0o600))
	_, err := agent.Start(t.Context(), conf)
	require.ErrorIs(t, err, api.ErrToken)
	require.ErrorContains(t, err, conf.TokenFile)
	require.NotContains(t, err.Error(), "almost")
}
