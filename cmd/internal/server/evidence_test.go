package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An evidenceFront is the page for evidence as the daemon serves it, in a time of its
// own: what waits there waits for nothing.
type evidenceFront struct {
	conns chan net.Conn
	done  chan struct{}
}

func newEvidenceFront(t *testing.T, e *Evidence) *evidenceFront {
	f := &evidenceFront{conns: make(chan net.Conn), done: make(chan struct{})}
	s := &Server{Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics()}
	mux := http.NewServeMux()
	s.route(mux, patternEvidence, e.page)
	server := s.serverOf(s.observed("http", mux))
	ended := make(chan error)
	go func() { ended <- server.Serve(f) }()
	t.Cleanup(func() {
		server.Close()
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
		time.Sleep(time.Minute) // of the bubble's: whoever lingers is gone
	})
	return f
}

func (f *evidenceFront) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *evidenceFront) Close() error { close(f.done); return nil }

func (f *evidenceFront) Addr() net.Addr { return &net.TCPAddr{} }

// A pipeFrom is a connection from some address.
type pipeFrom struct {
	net.Conn
	from net.Addr
}

func (p pipeFrom) RemoteAddr() net.Addr { return p.from }

// begin sends the head of a request from an address, and returns the connection, on
// which its body is to follow, and the answer.
func (f *evidenceFront) begin(from, framing string) (net.Conn, <-chan *http.Response) {
	near, far := net.Pipe()
	f.conns <- pipeFrom{far, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 1024))}
	answers := make(chan *http.Response, 1)
	go func() {
		resp, err := http.ReadResponse(bufio.NewReader(near), nil)
		if err != nil {
			resp = &http.Response{Status: err.Error(), Header: http.Header{}}
		}
		answers <- resp
	}()
	fmt.Fprintf(near, "POST /crl/aa/evidence HTTP/1.1\r\nHost: ca\r\n%s\r\n\r\n", framing)
	return near, answers
}

// bring sends a whole list, and returns the status of the answer.
func (f *evidenceFront) bring(from string, list []byte) int {
	conn, answers := f.begin(from, fmt.Sprint("Content-Length: ", len(list)))
	defer conn.Close()
	go conn.Write(list) // a list that is refused is not read to its end
	return (<-answers).StatusCode
}

// trickle sends so many bytes each second, until they are all sent or the other end
// has had enough.
func trickle(conn net.Conn, body []byte, each int) error {
	for part := body; len(part) > 0; part = part[min(each, len(part)):] {
		time.Sleep(time.Second)
		if _, err := conn.Write(part[:min(each, len(part))]); err != nil {
			return err
		}
	}
	return nil
}

// Whoever sends slowly is sent away, long before the server would end his request: those
// who hold all turns keep nobody else from being heard.
func TestEvidenceSlowSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newEvidenceFront(t, NewEvidence(func([]byte) (bool, error) { return true, nil }))
		var slow []<-chan *http.Response
		for range evidenceAtOnce {
			conn, answers := f.begin("192.0.2.1", fmt.Sprint("Content-Length: ", maxEvidence))
			defer conn.Close()
			go trickle(conn, make([]byte, maxEvidence), 1)
			slow = append(slow, answers)
		}
		synctest.Wait()
		require.Equal(t, http.StatusAccepted, f.bring("192.0.2.2", []byte("list")), "somebody else's list is not heard while slow senders hold the turns")
		for _, answers := range slow {
			resp := <-answers
			require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
			require.True(t, resp.Close, "the rest of the body is not waited for")
		}
	})
}

// The longest list is heard from whoever keeps the pace, though it takes longer than
// a body may take to begin.
func TestEvidenceAtItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []byte
		f := newEvidenceFront(t, NewEvidence(func(der []byte) (bool, error) {
			heard = der
			return true, nil
		}))
		list := bytes.Repeat([]byte("list"), maxEvidence/4)
		conn, answers := f.begin("192.0.2.1", fmt.Sprint("Content-Length: ", len(list)))
		defer conn.Close()
		require.NoError(t, trickle(conn, list, evidenceRate), "a list that keeps the pace is cut off")
		require.Equal(t, http.StatusAccepted, (<-answers).StatusCode)
		require.True(t, bytes.Equal(list, heard))
	})
}

// However long a list may be, a sender at the least pace is sent away before the server
// would cut him off without a word.
func TestEvidenceWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newEvidenceFront(t, newEvidence(maxEvidenceWhole, func([]byte) (bool, error) { return true, nil }))
		conn, answers := f.begin("192.0.2.1", fmt.Sprint("Content-Length: ", maxEvidenceWhole))
		defer conn.Close()
		require.Error(t, trickle(conn, make([]byte, maxEvidenceWhole), evidenceRate))
		require.Equal(t, http.StatusRequestTimeout, (<-answers).StatusCode)
	})
}

// Two lists are in memory at a time, and no more. Others wait, but not for ever: then
// they are told to come again.
func TestEvidenceTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taking, taken := make(chan struct{}, evidenceAll), make(chan struct{})
		free := sync.OnceFunc(func() { close(taken) })
		defer free()
		f := newEvidenceFront(t, NewEvidence(func([]byte) (bool, error) {
			taking <- struct{}{}
			<-taken
			return true, nil
		}))
		statuses := make(chan int, evidenceAtOnce+1)
		for range evidenceAtOnce {
			go func() { statuses <- f.bring("192.0.2.1", []byte("list")) }()
		}
		synctest.Wait()
		conn, answers := f.begin("192.0.2.2", "Content-Length: 4")
		defer conn.Close()
		go conn.Write([]byte("list"))
		synctest.Wait()
		require.Len(t, taking, evidenceAtOnce, "more lists are in memory than may be")
		require.Empty(t, answers, "who has no turn is sent away at once")
		var resp *http.Response
		select {
		case resp = <-answers:
		case <-time.After(2 * evidenceWait):
			require.Fail(t, "who has no turn waits for ever")
		}
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		require.Equal(t, "5", resp.Header.Get("Retry-After"))

		go func() { statuses <- f.bring("192.0.2.2", []byte("list")) }()
		synctest.Wait()
		free()
		for range evidenceAtOnce + 1 {
			require.Equal(t, http.StatusAccepted, <-statuses, "whoever waits gets the turn that is given back")
		}
	})
}

// A source brings six lists in a minute, and a hundred and twenty come in all; an IPv6
// network is one source. What is refused for that was not read.
func TestEvidenceCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := 0
		f := newEvidenceFront(t, NewEvidence(func([]byte) (bool, error) { heard++; return false, nil }))
		source := func(i int) string { return fmt.Sprintf("2001:db8:0:%x::%x", i/evidenceEach, i+1) }
		for i := range evidenceEach {
			require.Equal(t, http.StatusNoContent, f.bring(source(i), []byte("list")), i)
		}
		require.Equal(t, http.StatusTooManyRequests, f.bring(source(0), []byte("list")), "one source brings more than it may")
		require.Equal(t, evidenceEach, heard)
		for i := evidenceEach; i < evidenceAll; i++ {
			require.Equal(t, http.StatusNoContent, f.bring(source(i), []byte("list")), i)
		}
		require.Equal(t, http.StatusTooManyRequests, f.bring("192.0.2.1", []byte("list")), "all together bring more than they may")
		require.Equal(t, evidenceAll, heard)
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusNoContent, f.bring(source(0), []byte("list")), "a minute later")
	})
}

// A list that is too long, does not say how long it is, or ends too early is handed on
// to nobody, and takes no memory for what is not there.
func TestEvidenceLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := []int{}
		f := newEvidenceFront(t, NewEvidence(func(der []byte) (bool, error) { heard = append(heard, len(der)); return true, nil }))
		for i, tt := range []struct {
			framing, body string
			status        int
		}{
			{fmt.Sprint("Content-Length: ", maxEvidence+1), "", http.StatusRequestEntityTooLarge},
			{"Content-Length: 9223372036854775807", "", http.StatusRequestEntityTooLarge},
			{"Transfer-Encoding: chunked", "4\r\nlist\r\n0\r\n\r\n", http.StatusRequestEntityTooLarge},
			{"Content-Length: 4", "lis", http.StatusRequestTimeout},
			{"Content-Length: 4", "list", http.StatusAccepted},
			{fmt.Sprint("Content-Length: ", maxEvidence), strings.Repeat("x", maxEvidence), http.StatusAccepted},
			{"Content-Length: 0", "", http.StatusAccepted},
		} {
			conn, answers := f.begin(fmt.Sprintf("192.0.2.%d", i), tt.framing)
			go io.WriteString(conn, tt.body)
			require.Equal(t, tt.status, (<-answers).StatusCode, tt.framing)
			conn.Close()
		}
		require.Equal(t, []int{4, maxEvidence, 0}, heard)
	})
}

// While the CA is recovered it asks for lists wherever one is looked for, takes whole
// ones, and keeps the same bounds.
func TestCollectEvidence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	heard := 0
	s := CollectEvidence(func(der []byte) (bool, error) {
		heard = len(der)
		if len(der) == 0 {
			return false, errors.New("a secret")
		}
		return true, nil
	})
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	defer func() {
		s.Close()
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	}()
	base := "http://" + l.Addr().String()
	do := func(method, path string, body io.Reader, length int64) *http.Response {
		req, err := http.NewRequestWithContext(context.Background(), method, base+path, body)
		require.NoError(t, err)
		req.ContentLength = length
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	resp := do("GET", "/crl/aa/full.crl", nil, 0)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "wanted", resp.Header.Get(HeaderEvidence))
	require.Equal(t, "30", resp.Header.Get("Retry-After"))
	const whole = 2 * maxEvidence
	require.Equal(t, http.StatusAccepted, do("POST", "/crl/aa/evidence", bytes.NewReader(make([]byte, whole)), whole).StatusCode)
	require.Equal(t, whole, heard)
	require.Equal(t, http.StatusInternalServerError, do("POST", "/crl/aa/evidence", http.NoBody, 0).StatusCode)
	for range 10*evidenceEach - 2 {
		require.Equal(t, http.StatusAccepted, do("POST", "/crl/aa/evidence", strings.NewReader("list"), 4).StatusCode)
	}
	require.Equal(t, http.StatusTooManyRequests, do("POST", "/crl/aa/evidence", strings.NewReader("list"), 4).StatusCode)
}
