package main_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/peer"
)

// bystanderEnv makes the test binary a process of peers, to measure how fast they
// learn of a revocation. Its input is a crowd in JSON; its output a line for each
// thing that it saw, with the time in Unix nanoseconds.
const bystanderEnv = "BETONICA_TEST_BYSTANDER"

// A crowd is what a bystander is to be.
type crowd struct {
	URL         string // of the HTTP listener
	HTTPS       string // address of the other one, for reporters
	Issuer      []byte // DER
	Roots       []byte
	Subscribers int // on the stream; each verifies what it hears

	// A gateway that judges, and pumps that are connected to it: PKCS #8 and chains.
	Gateway machineText
	Pumps   []machineText
	State   string

	Within time.Duration // in which a fleet comes
}

type machineText struct {
	Key   []byte
	Chain [][]byte
}

func (m machineText) pair() *tls.Certificate {
	key, err := x509.ParsePKCS8PrivateKey(m.Key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(m.Chain[0])
	if err != nil {
		panic(err)
	}
	return &tls.Certificate{Certificate: m.Chain, PrivateKey: key, Leaf: leaf}
}

// bystander runs until its input ends.
func bystander(what string) int {
	in := bufio.NewReader(os.Stdin)
	var c crowd
	if err := json.NewDecoder(in).Decode(&c); err != nil {
		fmt.Fprintln(os.Stderr, "bystander:", err)
		return 1
	}
	var err error
	switch what {
	case "subscribers":
		err = c.subscribe()
	case "gateway":
		err = c.connect()
	case "gateways":
		err = c.stand()
	case "reporters":
		err = c.report()
	case "relay":
		err = c.relay()
	case "fleet":
		err = c.comeBack()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bystander:", err)
		return 1
	}
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// say writes a line about a thing that happened now.
var say = func() func(string) {
	var mu sync.Mutex
	return func(what string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s %d\n", what, time.Now().UnixNano())
	}
}()

// subscribe says "N" when the last of the subscribers has verified list N.
func (c crowd) subscribe() error {
	issuer, err := x509.ParseCertificate(c.Issuer)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	heard := map[int64]int{}
	verified := func(number int64) {
		mu.Lock()
		heard[number]++
		all := heard[number] == c.Subscribers
		mu.Unlock()
		if all {
			say(strconv.FormatInt(number, 10))
		}
	}
	var ready atomic.Int64
	for range c.Subscribers {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
		if err != nil {
			return err
		}
		fmt.Fprintf(conn, "GET /crl/%x/stream HTTP/1.1\r\nHost: ca\r\n\r\n", issuer.SubjectKeyId)
		go func() {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				panic(err)
			}
			lines := bufio.NewScanner(resp.Body)
			lines.Buffer(nil, 1<<20)
			for first := true; lines.Scan(); {
				data, ok := strings.CutPrefix(lines.Text(), "data: ")
				if !ok {
					continue
				}
				der, err := base64.StdEncoding.DecodeString(data)
				if err != nil {
					panic(err)
				}
				list, err := crl.Open(der, issuer)
				if err != nil {
					panic(err)
				}
				verified(list.Number())
				if first && ready.Add(1) == int64(c.Subscribers) {
					say("ready")
				}
				first = false
			}
		}()
	}
	return nil
}

// A still source is a machine that never renews.
type still struct {
	cert  *tls.Certificate
	roots *x509.CertPool
}

func (s still) Certificate() *tls.Certificate { return s.cert }
func (s still) Roots() *x509.CertPool         { return s.roots }

// connect says a pump's serial number when its connection to the gateway ends.
func (c crowd) connect() error {
	root, err := x509.ParseCertificate(c.Roots)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	p, err := peer.Open(context.Background(), peer.Config{
		Source: still{c.Gateway.pair(), roots}, URL: c.URL, State: c.State, Allow: []string{"spiffe://test.example/device/*"},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	l, err := p.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); io.Copy(conn, conn) }()
		}
	}()
	for _, pump := range c.Pumps {
		pair := pump.pair()
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*pair}})
		if err != nil {
			return err
		}
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			return err
		}
		go func() {
			conn.Read(make([]byte, 1)) // until it is cut
			say(serialOf(pair.Leaf))
		}()
	}
	say("ready")
	return nil
}

// A process of bystanders, and what they say.
type bystanders struct {
	said chan [2]string
	pid  int
}

// startBystanders starts the test binary as a process of peers, by wrapper if there is one.
func startBystanders(b *testing.B, what string, c crowd, wrapper ...string) *bystanders {
	words := append(wrapper, os.Args[0])
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), bystanderEnv+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	s := &bystanders{said: make(chan [2]string, 1000), pid: cmd.Process.Pid}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			what, when, _ := strings.Cut(lines.Text(), " ")
			s.said <- [2]string{what, when}
		}
		close(s.said)
	}()
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	require.NoError(b, json.NewEncoder(in).Encode(c))
	s.wait(b, "ready")
	return s
}

// wait returns when the bystanders said it.
func (s *bystanders) wait(b *testing.B, what string) time.Time {
	deadline := time.After(time.Minute)
	for {
		select {
		case line, ok := <-s.said:
			require.True(b, ok, "the bystanders are gone")
			if line[0] == what {
				ns, err := strconv.ParseInt(line[1], 10, 64)
				require.NoError(b, err)
				return time.Unix(0, ns)
			}
		case <-deadline:
			require.FailNow(b, "nobody said "+what)
		}
	}
}
