package server

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A slowKey signs handshakes when it is told to, and counts those that want it at once.
type slowKey struct {
	crypto.Signer
	now, most atomic.Int64
	may       chan struct{}
}

func (k *slowKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n := k.now.Add(1)
	defer k.now.Add(-1)
	for most := k.most.Load(); n > most && !k.most.CompareAndSwap(most, n); most = k.most.Load() {
	}
	<-k.may
	return k.Signer.Sign(random, digest, opts)
}

// testDoor is a door for two at a time, behind which everything is echoed.
type testDoor struct {
	*door
	key     *slowKey
	refused atomic.Int64
	inside  sync.WaitGroup
}

func newTestDoor(t *testing.T) *testDoor {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "door"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	require.NoError(t, err)
	d := &testDoor{key: &slowKey{Signer: signer, may: make(chan struct{})}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.door = openDoor(l, &tls.Config{
		Certificates:     []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: d.key}},
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
	},
		&line{taken: make(chan struct{}, 2)}, func(net.Addr, error) { d.refused.Add(1) })
	d.inside.Go(func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			d.inside.Go(func() { defer c.Close(); io.Copy(c, c) })
		}
	})
	t.Cleanup(func() { d.Close(); d.inside.Wait() })
	return d
}

// knock returns a connection that is through the door, and answers.
func (d *testDoor) knock(t *testing.T) *tls.Conn {
	c, err := tls.Dial("tcp", d.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	d.echo(t, c)
	return c
}

func (d *testDoor) echo(t *testing.T, c net.Conn) {
	_, err := c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
}

// However many come at once, two handshakes compute; who is inside is served meanwhile,
// and all come in, in the end.
func TestDoor(t *testing.T) {
	const callers = 20
	d := newTestDoor(t)
	go func() { d.key.may <- struct{}{} }()
	early := d.knock(t)
	var group sync.WaitGroup
	for range callers {
		group.Go(func() { d.knock(t) })
	}
	require.Eventually(t, func() bool { return d.line.waiting.Load() == callers-2 && d.key.now.Load() == 2 }, testPatience, testTick)
	d.echo(t, early)
	close(d.key.may)
	group.Wait()
	require.Equal(t, int64(2), d.key.most.Load())
	require.Zero(t, d.line.waiting.Load())
	require.Zero(t, d.refused.Load())
}

// Whoever has a turn and then says nothing, in whichever part of the handshake, or
// nonsense, or goes, keeps nobody out: more of each than there are turns.
func TestDoorStays(t *testing.T) {
	hello := func(t *testing.T, conf *tls.Config) []byte { // a client's first words
		near, far := net.Pipe()
		go tls.Client(near, conf).Handshake()
		defer near.Close()
		words := make([]byte, 16<<10)
		n, err := far.Read(words)
		require.NoError(t, err)
		return words[:n]
	}
	whole := hello(t, &tls.Config{InsecureSkipVerify: true})
	retried := hello(t, &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP521, tls.CurveP256}})
	for name, words := range map[string][]byte{
		"nothing":          nil,
		"half a hello":     whole[:len(whole)/2],
		"a hello":          whole,
		"a hello to retry": retried,
		"an old protocol":  hello(t, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}),
		"nonsense":         []byte("\x16\x03\x01\x00\x05nonsense of some length"),
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestDoor(t)
			close(d.key.may)
			for range 5 {
				c, err := net.Dial("tcp", d.Addr().String())
				require.NoError(t, err)
				defer c.Close()
				_, err = c.Write(words)
				require.NoError(t, err)
			}
			gone, err := net.Dial("tcp", d.Addr().String())
			require.NoError(t, err)
			gone.Write(words)
			gone.Close()
			d.knock(t)
		})
	}
}

// Closing the door ends what is before it: those in the line, those who compute as
// soon as they have, and those who say nothing.
func TestDoorCloses(t *testing.T) {
	d := newTestDoor(t)
	silent, err := net.Dial("tcp", d.Addr().String())
	require.NoError(t, err)
	defer silent.Close()
	ended := make(chan error, 5)
	for range cap(ended) {
		go func() {
			c, err := tls.Dial("tcp", d.Addr().String(), &tls.Config{InsecureSkipVerify: true})
			if err == nil {
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			ended <- err
		}()
	}
	require.Eventually(t, func() bool { return d.line.waiting.Load() == 3 && d.key.now.Load() == 2 }, testPatience, testTick)
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	_, err = silent.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	close(d.key.may)
	require.NoError(t, <-closed)
	for range cap(ended) {
		require.Error(t, <-ended)
	}
	_, err = d.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, d.Close())
}

// A handshake that panics ends its own connection and nothing else: more of them than
// there are turns keep nobody out.
func TestDoorPanics(t *testing.T) {
	d := newTestDoor(t)
	close(d.key.may)
	whole := d.config.Certificates
	d.config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "panic.example" {
			panic("in a handshake")
		}
		return &whole[0], nil
	}
	for range 5 {
		_, err := tls.Dial("tcp", d.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "panic.example"})
		require.Error(t, err)
	}
	d.knock(t)
	require.Eventually(t, func() bool { return d.refused.Load() == 5 }, testPatience, testTick)
}

// An error of the listener reaches whoever accepts, and the door stays open after it.
func TestDoorError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	failing := &failingListener{Listener: l}
	failing.left.Store(3)
	d := openDoor(failing, &tls.Config{}, newLine(), func(net.Addr, error) {})
	defer d.Close()
	for range 3 {
		_, err := d.Accept()
		require.ErrorIs(t, err, io.ErrNoProgress)
	}
	l.Close()
	_, err = d.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

type failingListener struct {
	net.Listener
	left atomic.Int64
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, io.ErrNoProgress
	}
	return l.Listener.Accept()
}

// A client that has forgotten the s of https is told so.
func TestDoorAdvice(t *testing.T) {
	d := newTestDoor(t)
	c, err := net.Dial("tcp", d.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: ca\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "400")
}
