package mllp_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/cmd/internal/guard/mllp"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// A world is one route with a target.
type world struct {
	gate    mllp.Gate
	route   *gate.Route
	records *gatetest.Records
	target  net.Listener
	drain   chan struct{}
}

// newWorld makes a route whose callers may send some types of messages.
func newWorld(t testing.TB, messages ...string) *world {
	l := gatetest.Listen(t)
	set, err := allow.NewSet(allow.Rule{
		Name: "lab", Peers: []string{"spiffe://test.example/device"}, Listeners: []string{"hl7"},
		HL7: &allow.HL7Rule{Messages: messages},
	})
	require.NoError(t, err)
	w := &world{records: gatetest.NewRecords(), target: l, drain: make(chan struct{})}
	w.route = &gate.Route{
		Name: "hl7", Target: "mllp://ehr", Side: record.Server, Rules: func() allow.Set { return set }, Records: w.records,
		Meter: new(gate.Meter), Log: slog.New(slog.DiscardHandler), Now: time.Now, Drain: w.drain,
		Dial: gatetest.Dialer(l.Addr().String()),
	}
	return w
}

// A caller is who is on the other end of a link.
type caller struct {
	*net.TCPConn
	in     *bufio.Reader
	link   *gate.Link
	served chan struct{}
}

// call connects a caller to the gate.
func (w *world) call(t testing.TB) *caller {
	c, inner := gatetest.Connect(t)
	id, err := allow.ParseID("spiffe://test.example/device/lab-1")
	require.NoError(t, err)
	ctx, link := gate.NewLink(t.Context(), w.route, inner, gate.Caller{ID: id}, nil, nil)
	got := &caller{c, bufio.NewReader(c), link, make(chan struct{})}
	go func() {
		defer close(got.served)
		defer link.End("")
		w.gate.Serve(ctx, link)
	}()
	return got
}

// send writes one block.
func (c *caller) send(t testing.TB, content string) {
	_, err := io.WriteString(c, "\x0b"+content+"\x1c\r")
	require.NoError(t, err)
}

// receive returns the next block's content.
func (c *caller) receive(t testing.TB) string {
	content, err := receive(c.in)
	require.NoError(t, err)
	return content
}

// code returns MSA-1 and MSA-2 of the next answer.
func (c *caller) code(t testing.TB) string { return msa(t, c.receive(t)) }

// gone demands that the connection has ended, and nothing more has come.
func (c *caller) gone(t testing.TB) {
	rest, err := io.ReadAll(c.in)
	require.Empty(t, string(rest))
	if err != nil {
		_, reset := errors.AsType[*net.OpError](err)
		require.True(t, reset, err)
	}
	c.Close()
	<-c.served
}

// receive reads a block the plain way.
func receive(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\r')
	for err == nil && !strings.HasSuffix(text, "\x1c\r") {
		var more string
		more, err = r.ReadString('\r')
		text += more
	}
	if err != nil {
		return text, err
	}
	content, ok := strings.CutPrefix(text, "\x0b")
	if !ok {
		return text, errors.New("no start of a block")
	}
	return strings.TrimSuffix(content, "\x1c\r"), nil
}

func msa(t testing.TB, answer string) string {
	for segment := range strings.SplitSeq(answer, "\r") {
		if fields := strings.Split(segment, "|"); fields[0] == "MSA" {
			return fields[1] + " " + fields[2]
		}
	}
	require.Fail(t, "no MSA", "%q", answer)
	return ""
}

// message is one of a type, with a control ID.
func message(kind, id string, more ...string) string {
	return `MSH|^~\&|LAB|HOSP|EHR|CITY|20261122||` + kind + "|" + id + "|P|2.5.1" + strings.Join(more, "") + "\rPID|1||4711||DOE^JANE\r"
}

// ack is how a receiver answers a message.
func ack(code, message string) string {
	header, _, _ := strings.Cut(message, "\r")
	fields := strings.Split(header, message[min(3, len(message)-1):min(4, len(message))])
	id := fields[min(9, len(fields)-1)]
	return `MSH|^~\&|EHR|CITY|LAB|HOSP|20261122||ACK|A` + id + "|P|2.5.1\rMSA|" + code + "|" + id + "\r"
}

// A receiver is the application: what came to it, and how to speak back.
type receiver struct {
	*net.TCPConn
	in *bufio.Reader
}

// accept waits for the gate's connection.
func (w *world) accept(t testing.TB) *receiver {
	c, err := w.target.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return &receiver{c.(*net.TCPConn), bufio.NewReader(c)}
}

func (r *receiver) receive(t testing.TB) string {
	content, err := receive(r.in)
	require.NoError(t, err)
	return content
}

func (r *receiver) send(t testing.TB, content string) {
	_, err := io.WriteString(r, "\x0b"+content+"\x1c\r")
	require.NoError(t, err)
}

// answerAll has an application that says AA to everything, and returns what it got when
// all its connections have ended.
func (w *world) answerAll(t testing.TB) (received func() []string) {
	var mu sync.Mutex
	var all []string
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := w.target.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					content, err := receive(in)
					if err != nil {
						return
					}
					mu.Lock()
					all = append(all, content)
					mu.Unlock()
					if _, err := io.WriteString(c, "\x0b"+ack("AA", content)+"\x1c\r"); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { w.target.Close(); group.Wait() })
	return func() []string {
		w.target.Close()
		group.Wait()
		return all
	}
}
