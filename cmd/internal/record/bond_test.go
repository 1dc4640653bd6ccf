package record

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func certificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
	}, &x509.Certificate{}, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// connected returns both ends of a TLS connection over loopback.
func connected(t *testing.T, version uint16) (client, server tls.ConnectionState) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	require.NoError(t, err)
	defer l.Close()
	states := make(chan tls.ConnectionState, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.(*tls.Conn).Handshake()
		states <- c.(*tls.Conn).ConnectionState()
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	require.NoError(t, err)
	defer c.Close()
	return c.ConnectionState(), <-states
}

// Both ends of a connection derive the same name, keys and digests; another connection
// derives others, and so do other accesses and the other direction.
func TestBinding(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		client, server := connected(t, version)
		a, err := Binding(client)
		require.NoError(t, err)
		b, err := Binding(server)
		require.NoError(t, err)
		require.True(t, a == b)
		require.Len(t, a.Link, 22)
		require.Equal(t, digest(a, "7", ToTarget), digest(b, "7", ToTarget))

		client, _ = connected(t, version)
		other, err := Binding(client)
		require.NoError(t, err)
		all := map[Digest]bool{
			digest(a, "7", ToTarget): true, digest(a, "7", FromTarget): true, digest(a, "8", ToTarget): true, digest(other, "7", ToTarget): true,
		}
		require.Len(t, all, 4)
		require.NotEqual(t, a.Link, other.Link)
	}
}

func digest(b Bond, number string, d Direction) Digest {
	h := b.Digest(number, d)
	h.Write([]byte("pay"))
	h.Write([]byte("load"))
	return Digest(h.Sum(nil))
}

// An auditor who has the record's key, and the payload, computes its digest.
func TestAuditorRecomputes(t *testing.T) {
	r := example()
	got, err := Parse(sealed(t, r.Event()))
	require.NoError(t, err)
	h := got.Key.Digest(ToTarget)
	h.Write([]byte("payload"))
	require.Equal(t, got.Request, Digest(h.Sum(nil)))
}

// No binding before the handshake, nor below TLS 1.2.
func TestBindingRefuses(t *testing.T) {
	_, err := Binding(tls.ConnectionState{})
	require.Error(t, err)
	client, _ := connected(t, tls.VersionTLS12)
	client.Version = tls.VersionTLS11
	_, err = Binding(client)
	require.Error(t, err)
}

// Nor on TLS 1.2 without the extended master secret, which only a foreign program
// leaves out. In FIPS 140-3 mode not even the handshake passes.
func TestBindingWantsExtendedMasterSecret(t *testing.T) {
	gnutls, err := exec.LookPath("gnutls-cli")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("gnutls-cli is not there")
		}
		t.Skip("left out: gnutls-cli is not there")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), gnutls, "--no-ca-verification", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH", "-p", port, "127.0.0.1")
	stdin, err := cmd.StdinPipe() // held open: it goes on talking
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	defer stdin.Close()
	c, err := l.Accept()
	require.NoError(t, err)
	defer c.Close()
	s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	err = s.HandshakeContext(t.Context())
	if !fips140.Enabled() {
		require.NoError(t, err)
		_, err = Binding(s.ConnectionState())
	}
	require.ErrorContains(t, err, "Extended Master Secret")
}
