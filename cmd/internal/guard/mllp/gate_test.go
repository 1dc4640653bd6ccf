package mllp_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// A message goes through as it is, its answer comes back as it is, and the record of
// both is there before the caller has the answer.
func TestMessage(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	require.Equal(t, "open", w.records.Wait(t, 1)[0].Operation, "a record comes before the first byte")
	asked := message("ADT^A01^ADT_A01", "C-1")
	c.send(t, asked)
	require.Equal(t, asked, target.receive(t))
	answered := ack("AA", asked)
	target.send(t, answered)
	require.Equal(t, answered, c.receive(t))

	r := w.records.Of(record.Message)[0]
	require.Equal(t, record.MLLP, r.Protocol)
	require.Equal(t, "ADT^A01", r.Operation)
	require.Equal(t, "LAB/HOSP -> EHR/CITY", r.Resource)
	require.Equal(t, "lab", r.Rule)
	require.Equal(t, record.Allowed, r.Outcome)
	require.Equal(t, "AA", r.Answer)
	require.Equal(t, "1", r.Number)
	require.Equal(t, []int64{int64(len(asked)), int64(len(answered))}, []int64{r.In, r.Out})
	for payload, got := range map[string]record.Digest{asked: r.Request, answered: r.Response} {
		direction := record.ToTarget
		if payload == answered {
			direction = record.FromTarget
		}
		h := r.Key.Digest(direction)
		io.WriteString(h, payload)
		require.Equal(t, record.Digest(h.Sum(nil)), got)
	}
	c.Close()
	<-c.served
	end := w.records.Wait(t, 3)[2]
	require.Equal(t, "close", end.Operation)
	require.Equal(t, record.Allowed, end.Outcome, end.Reason)
	require.Equal(t, []int64{r.In, r.Out}, []int64{end.In, end.Out})
	require.Equal(t, "0", end.Number)
	require.Equal(t, r.Link, end.Link)
}

// What no rule allows is answered here with AR, never reaches the target, and the link
// goes on.
func TestRefused(t *testing.T) {
	w := newWorld(t, "ADT^A01", "ORU^*")
	received := w.answerAll(t)
	c := w.call(t)
	for _, tt := range []struct{ kind, want string }{
		{"ADT^A01", "AA"}, {"ORM^O01", "AR"}, {"ORU^R01", "AA"}, {"ADT^A02", "AR"}, {"ADT", "AR"}, {"adt^A01", "AR"}, {"ACK^A01", ""}, {"ORU^R30", "AA"},
	} {
		c.send(t, message(tt.kind, "C-"+tt.kind[:1]))
		if tt.want != "" {
			require.Equal(t, tt.want+" C-"+tt.kind[:1], c.code(t))
		}
	}
	c.Close()
	<-c.served
	require.Len(t, received(), 3)
	outcomes := ""
	for _, r := range w.records.Of(record.Message) {
		outcomes += string(r.Outcome) + " " + r.Answer + ", "
	}
	require.Equal(t, "allowed AA, refused AR, allowed AA, refused AR, refused AR, refused AR, refused , allowed AA, ", outcomes)
}

// Where the guard only observes, what no rule allows passes, and is on record.
func TestObserve(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	w.route.Observe = true
	w.answerAll(t)
	c := w.call(t)
	c.send(t, message("ORM^O01", "C-1"))
	require.Equal(t, "AA C-1", c.code(t))
	c.send(t, "MSH|^~\\&|no type")
	require.Equal(t, "AE ", c.code(t), "what is malformed does not pass")
	require.Equal(t, record.Observed, w.records.Of(record.Message)[0].Outcome)
	require.Equal(t, record.Refused, w.records.Of(record.Message)[1].Outcome)
}

// On the caller's side everything well-formed passes; what does not has a number of
// its own, so that the numbers of both ends agree.
func TestClientSide(t *testing.T) {
	w := newWorld(t, "ZZZ")
	w.route.Side, w.route.Rules = record.Client, nil
	w.answerAll(t)
	c := w.call(t)
	c.send(t, message("ORM^O01", "C-1"))
	require.Equal(t, "AA C-1", c.code(t))
	c.send(t, "MSH|^~\\&|no type")
	require.Equal(t, "AE ", c.code(t))
	c.send(t, message("ORM^O01", "C-2"))
	require.Equal(t, "AA C-2", c.code(t))
	numbers := ""
	for _, r := range w.records.Of(record.Message) {
		numbers += r.Number + " "
		require.Equal(t, r.Number == "r1", r.Link == "", "what did not cross has no other to be paired with")
		require.False(t, r.Key.IsZero())
	}
	require.Equal(t, "1 r1 2 ", numbers)
}

// A sender that does not wait gets the answers in the order of its messages, the
// guard's own among them, however many may be under way.
func TestPipelined(t *testing.T) {
	for _, outstanding := range []int{0, 4, 100} {
		w := newWorld(t, "ADT^A01")
		w.gate.Outstanding = outstanding
		received := w.answerAll(t)
		c := w.call(t)
		var all, want strings.Builder
		for i := range 50 {
			id := string(rune('A'+i%26)) + strings.Repeat("x", i)
			kind, code := "ADT^A01", "AA "
			if i%3 == 1 {
				kind, code = "ORM^O01", "AR "
			}
			all.WriteString("\x0b" + message(kind, id) + "\x1c\r")
			want.WriteString(code + id + "\n")
		}
		go io.WriteString(c, all.String())
		got := ""
		for range 50 {
			got += c.code(t) + "\n"
		}
		require.Equal(t, want.String(), got)
		require.NoError(t, c.CloseWrite())
		c.gone(t)
		require.Len(t, received(), 34-1)
	}
}

// With one message outstanding the next one does not reach the target before the first
// was answered; with two it does.
func TestOutstanding(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	w.gate.Outstanding = 2
	c := w.call(t)
	target := w.accept(t)
	for _, id := range []string{"1", "2", "3"} {
		c.send(t, message("ADT^A01", id))
	}
	first, second := target.receive(t), target.receive(t)
	target.send(t, ack("AE", second)) // in its own order, if it likes
	require.Equal(t, "AE 2", c.code(t))
	third := target.receive(t)
	target.send(t, ack("AA", first))
	target.send(t, ack("AA", third))
	require.Equal(t, "AA 1", c.code(t))
	require.Equal(t, "AA 3", c.code(t))
}

// A sender that ends its direction after the last message still gets the answer.
func TestHalfClosed(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	_, err := io.WriteString(c, "\x0b"+message("ADT^A01", "1")+"\x1c") // and without the last CR
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	target.send(t, ack("AA", target.receive(t)))
	require.Equal(t, "AA 1", c.code(t))
	c.gone(t)
	_, err = target.in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

// Who is gone when the answer comes has left a message that was answered, and that is
// Every byte may come by itself, and 16 MiB may come at once.
func TestSizes(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	received := w.answerAll(t)
	c := w.call(t)
	require.NoError(t, c.SetNoDelay(true))
	for _, b := range []byte("\r\n\x0b" + message("ADT^A01", "1") + "\x1c\r") {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	require.Equal(t, "AA 1", c.code(t))
	large := []string{}
	for _, size := range []int{4<<10 - 1, 4 << 10, 4<<10 + 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 16 << 20} {
		m := message("ADT^A01", "2")
		m += strings.Repeat("x", size-len(m))
		large = append(large, m)
		c.send(t, m)
		require.Equal(t, "AA 2", c.code(t), size)
	}
	c.Close()
	require.Equal(t, large, received()[1:])
}

var errFull = errors.New("disk full")

// No record, no access: a message is answered with AR before the target has seen it, an
// A link that the guard ends is on record with the reason, and so is the message that
// Who is revoked in the middle of a message has not sent it: the target gets no end of
// A target that is not there is a line that is down; one that dies leaves its messages
// A target that dies while a message comes in has not got it, and the sender is told
// Rules of this moment count, not those of when the link was made.
func TestRulesChange(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	var rules atomic.Pointer[allow.Set]
	first := w.route.Rules()
	rules.Store(&first)
	w.route.Rules = func() allow.Set { return *rules.Load() }
	w.answerAll(t)
	c := w.call(t)
	c.send(t, message("ADT^A01", "1"))
	require.Equal(t, "AA 1", c.code(t))
	rules.Store(&allow.Set{})
	c.send(t, message("ADT^A01", "2"))
	require.Equal(t, "AR 2", c.code(t))
}

// BenchmarkMessage is one message and its answer over loopback, with and without the gate
// between.
func BenchmarkMessage(b *testing.B) {
	w := newWorld(b, "ADT^A01")
	w.answerAll(b)
	asked := message("ADT^A01", "1") + strings.Repeat("OBX|1|NM|||\r", 100)
	run := func(b *testing.B, c *caller) {
		b.SetBytes(int64(len(asked)))
		b.ReportAllocs()
		for b.Loop() {
			c.send(b, asked)
			c.receive(b)
		}
		c.Close()
	}
	b.Run("direct", func(b *testing.B) {
		c, err := net.Dial("tcp", w.target.Addr().String())
		require.NoError(b, err)
		run(b, &caller{TCPConn: c.(*net.TCPConn), in: bufio.NewReader(c)})
	})
	b.Run("gate", func(b *testing.B) {
		c := w.call(b)
		run(b, c)
		<-c.served
	})
}
