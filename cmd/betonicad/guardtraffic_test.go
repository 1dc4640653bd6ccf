package main_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A flaky is an application that dies and comes again at the same address.
type flaky struct {
	t       testing.TB
	scheme  string
	address string
	serve   func(net.Conn)

	mu    sync.Mutex
	l     net.Listener
	conns map[net.Conn]bool
	group sync.WaitGroup
}

// flakies are one application of each kind: each answers with what it was asked. They
// come back at the port that they left, so they have an address at which no connection
// of another test is given that port meanwhile.
func flakies(t testing.TB) []*flaky {
	all := []*flaky{{scheme: "http", serve: serveHTTP}, {scheme: "tcp", serve: func(c net.Conn) { io.Copy(c, c) }}, {scheme: "mllp", serve: serveMLLP}}
	for _, a := range all {
		a.t, a.address, a.conns = t, "127.0.0.2:0", map[net.Conn]bool{}
		a.up()
		t.Cleanup(a.down)
	}
	return all
}

func (a *flaky) up() {
	l, err := net.Listen("tcp", a.address)
	require.NoError(a.t, err)
	a.l, a.address = l, l.Addr().String()
	a.group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns[c] = true
			a.mu.Unlock()
			a.group.Go(func() {
				a.serve(c)
				c.Close()
				a.mu.Lock()
				delete(a.conns, c)
				a.mu.Unlock()
			})
		}
	})
}

// down ends the application in the middle of whatever it does.
func (a *flaky) down() {
	a.l.Close()
	a.mu.Lock()
	for c := range a.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	a.mu.Unlock()
	a.group.Wait()
	clear(a.conns)
}

func serveHTTP(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			return
		}
	}
}

func serveMLLP(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		id, err := readMLLP(in, "MSH|", 9, 1)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "\x0bMSH|^~\\&|||||||ACK|A%s|P|2.5.1\rMSA|AA|%[1]s\r\x1c\r", id[0])
	}
}

// readMLLP returns n fields of a segment of the next message.
func readMLLP(in *bufio.Reader, segment string, from, n int) ([]string, error) {
	text, err := in.ReadString('\x1c')
	if err == nil {
		_, err = in.ReadByte()
	}
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(text, segment)
	line, _, _ := strings.Cut(segment+rest, "\r")
	fields := strings.Split(line, "|")
	if len(fields) < from+n {
		return nil, fmt.Errorf("%q has no field %d", text, from+n-1)
	}
	return fields[from : from+n], nil
}

// errLost says that an answer was another's: that no failure excuses.
var errLost = errors.New("not what was asked for")

// exchange asks one thing of an application, through the guard that listens at an
// address, in the protocol of a scheme.
func exchange(ctx context.Context, scheme, address string) error {
	question := strings.Repeat(randomName(), 1+rand.N(2000))
	if scheme == "http" {
		return exchangeHTTP(ctx, address, question)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	defer context.AfterFunc(ctx, func() { c.Close() })()
	for range 1 + rand.N(5) {
		answer := make([]byte, len(question))
		if scheme == "mllp" {
			question = randomName()
			fmt.Fprintf(c, "\x0bMSH|^~\\&|PUMP||EHR||20260102||ORU^R01|%s|P|2.5.1\rPID|1\r\x1c\r", question)
			said, err := readMLLP(bufio.NewReader(c), "MSA|", 1, 2)
			if err != nil {
				return err
			}
			if answer = []byte(said[1]); said[0] != "AA" && said[1] == question { // the guard's own
				return errors.New("not acknowledged: " + said[0])
			}
		} else {
			go io.WriteString(c, question)
			if _, err := io.ReadFull(c, answer); err != nil {
				return err
			}
		}
		if string(answer) != question {
			return fmt.Errorf("%w: %.40q for %.40q", errLost, answer, question)
		}
	}
	return nil
}

var kept = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

func exchangeHTTP(ctx context.Context, address, question string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/notes", strings.NewReader(question))
	if err != nil {
		return err
	}
	resp, err := kept.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status)
	case string(answer) != question:
		return errLost
	}
	return nil
}
