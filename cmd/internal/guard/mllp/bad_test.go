package mllp_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
)

// What is malformed never reaches the application as a message, is answered where an
// answer can be made, and is on record in words that are none of the sender's.
func TestMalformed(t *testing.T) {
	good := message("ADT^A01", "1")
	long := good + strings.Repeat("x", 100<<10) // streams
	evil := "\x1b[2J\"}\n<x>"
	for _, tt := range []struct {
		name, in string
		answer   string // "": none
		goesOn   bool   // the link is of use afterwards
		reason   string
	}{
		{"no start", good + "\x1c\r", "", false, "malformed: bytes outside of a block"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "", false, "malformed: bytes outside of a block"},
		{"TLS", "\x16\x03\x01\x02\x00", "", false, "malformed: bytes outside of a block"},
		{"line ends for ever", strings.Repeat("\r\n", 1<<10), "", false, "malformed: nothing but line ends"},
		{"start within", "\x0b" + good + "\x0b" + good + "\x1c\r", "AE 1", false, "malformed: a start byte within a block"},
		{"NUL within", "\x0b" + good + "\x00\x1c\r", "AE 1", false, "malformed: a NUL within a block"},
		{"another byte for CR", "\x0b" + good + "\x1cx", "AE 1", false, "malformed: an end byte without a carriage return"},
		{"two ends", "\x0b" + good + "\x1c\x1c\r", "AE 1", false, "malformed: an end byte without a carriage return"},
		{"cut off", "\x0b" + good, "AE 1", false, "malformed: the connection ended within a block"},
		{"cut off in the control ID", "\x0bMSH|^~\\&|LAB|HOSP|EHR|CITY|||ADT^A01|1", "AE ", false, "malformed: the connection ended within a block"},
		{"cut off after the control ID", "\x0bMSH|^~\\&|LAB|HOSP|EHR|CITY|||ADT^A01|1|", "AE 1", false, "malformed: the connection ended within a block"},
		{"cut off early", "\x0bMSH|^", "AE ", false, "malformed: the connection ended within a block"},
		{"nothing but a start", "\x0b", "", false, "malformed: the connection ended within a block"},
		{"too long", "\x0b" + good + strings.Repeat("x", 1<<20), "AE 1", false, "malformed: a block of more than 1048576 bytes"},
		{"start within a long one", "\x0b" + long + "\x0b\x1c\r", "AE 1", false, "malformed: a start byte within a block"},
		{"a long one cut off", "\x0b" + long, "AE 1", false, "malformed: the connection ended within a block"},
		{"start within a long one that may not pass", "\x0b" + message("ORM^O01", "1") + strings.Repeat("x", 100<<10) + "\x0b\x1c\r", "AE 1", false, "malformed: a start byte within a block"},
		{"second message", "\x0b" + good + message("ORM^O01", "2") + "\x1c\r", "AR 1", true, "no rule allows it"},
		{"second message after LF", "\x0b" + good + "\n" + message("ORM^O01", "2") + "\x1c\r", "AR 1", true, "no rule allows it"},
		{"second message far away", "\x0b" + long + "\r" + message("ORM^O01", "2") + "\x1c\r", "AR 1", false, "malformed: several messages in one block"},
		{"batch", "\x0bBHS|^~\\&|A|B|C|D|||||B-1\r" + good + "\x1c\r", "AR B-1", true, "no rule allows it"},

		{"empty", "\x0b\x1c\r", "", false, "malformed: it does not begin with MSH"},
		{"no MSH", "\x0bPID|" + evil + "\x1c\r", "", false, "malformed: it does not begin with MSH"},
		{"separators", "\x0bMSH\x1b[2J|\x1c\r", "", false, "malformed: MSH-1 and MSH-2 are no separators"},
		{"UTF-16", "\x0b" + strings.ReplaceAll("MSH|^~\\&|", "", "\x00") + "\x1c\r", "", false, "malformed: a NUL within a block"},
		{"no type", "\x0bMSH|^~\\&|A|B|C|D||||1|P|2.5.1\r\x1c\r", "AE 1", true, "malformed: MSH-9 is no message type"},
		{"two types", "\x0b" + message("ADT^A01~ORM^O01", "1") + "\x1c\r", "AE 1", true, "malformed: MSH-9 is no message type"},
		{"type with controls", "\x0b" + message("ADT^A01"+evil, "1") + "\x1c\r", "AE ", true, "malformed: a control character in the header segment"},
		{"no control ID", "\x0b" + message("ADT^A01", "") + "\x1c\r", "AE ", true, "malformed: MSH-10 is missing or too long"},
		{"control ID with controls", "\x0b" + message("ADT^A01", "1\x1b[2J") + "\x1c\r", "AE ", true, "malformed: a control character in the header segment"},
		{"name with controls", "\x0bMSH|^~\\&|\x1b[2J|B|C|D|||ADT^A01|1|P|2.5.1\r\x1c\r", "AE 1", true, "malformed: a control character in the header segment"},
		{"endless header", "\x0bMSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5.1|" + strings.Repeat("|", 8<<10) + "\x1c\r", "AE 1", true, "malformed: the header segment is too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "ADT^A01")
			w.gate.MaxMessage = 1 << 20
			received := w.answerAll(t)
			c := w.call(t)
			go func() {
				io.WriteString(c, tt.in)
				if !tt.goesOn {
					c.CloseWrite()
				}
			}()
			if tt.answer != "" {
				require.Equal(t, tt.answer, c.code(t))
			}
			if tt.goesOn {
				c.send(t, good)
				require.Equal(t, "AA 1", c.code(t))
				c.CloseWrite()
			}
			c.gone(t)
			want := []string{}
			if tt.goesOn {
				want = append(want, good)
			}
			require.Equal(t, want, append([]string{}, received()...), "what the application got")
			found := false
			for _, r := range w.records.All() {
				found = found || r.Outcome == record.Refused && strings.TrimPrefix(r.Reason, "caller: ") == tt.reason
				for _, text := range []string{r.Operation, r.Resource, r.Reason, r.Number} {
					require.NotContains(t, text, "\x1b")
					require.NotContains(t, text, "DOE")
					require.NotContains(t, text, "<x>")
				}
			}
			require.True(t, found, "%+v", w.records.All())
		})
	}
}

// Who begins a message and does not go on is answered, and the link ends; between
// messages nothing runs.
func TestSlow(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	w.gate.MessageTime = 100 * time.Millisecond
	w.gate.AnswerTime = time.Hour
	w.answerAll(t)
	for _, more := range []int{0, 100 << 10} {
		c := w.call(t)
		c.send(t, message("ADT^A01", "1"))
		require.Equal(t, "AA 1", c.code(t))
		_, err := io.WriteString(c, "\x0b"+message("ADT^A01", "2")+strings.Repeat("x", more))
		require.NoError(t, err)
		require.Equal(t, "AE 2", c.code(t))
		c.Close()
		<-c.served
	}
	for _, r := range w.records.Of(record.Message) {
		require.Contains(t, []string{"", "malformed: a block that takes too long"}, r.Reason)
	}
}

// Between messages nothing runs out, on either side.
func TestSilence(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	w.gate.MessageTime, w.gate.AnswerTime = time.Second, time.Second
	w.answerAll(t)
	c := w.call(t)
	for _, id := range []string{"1", "2"} {
		c.send(t, message("ADT^A01", id))
		require.Equal(t, "AA "+id, c.code(t))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(1100*time.Millisecond)))
		_, err := c.in.ReadByte()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "it is open")
		require.NoError(t, c.SetReadDeadline(time.Time{}))
	}
}

// Who goes on talking after what he sent was refused can still read why: the connection
// is not reset under it.
func TestLastWords(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	_, err := io.WriteString(c, "\x0b"+message("ADT^A01", "1")+"\x00"+strings.Repeat("x", 100<<10))
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	<-c.served
	require.Equal(t, "AE 1", c.code(t))
	_, err = c.in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

// A target that does not answer in time has died, as far as its caller is concerned.
func TestTardyTarget(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	w.gate.AnswerTime = 50 * time.Millisecond
	c := w.call(t)
	target := w.accept(t)
	c.send(t, message("ADT^A01", "1"))
	target.receive(t)
	require.Equal(t, "AE 1", c.code(t))
	c.gone(t)
	r := w.records.Of(record.Message)[0]
	require.Equal(t, []string{"failed", "target: no answer in time"}, []string{string(r.Outcome), r.Reason})
}

// From the target nothing but answers passes: not its own messages, not an answer to
// what was not asked, not what is malformed.
func TestUnasked(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		goesOn   bool
	}{
		{"a message", "\x0b" + message("ADT^A01", "9") + "\x1c\r", true},
		{"an answer to another", "\x0b" + ack("AA", message("ADT^A01", "9")) + "\x1c\r", false},
		{"an answer to nobody", "\x0bMSH|^~\\&|||||||ACK|1\rMSA|AA|\r\x1c\r", false},
		{"no code", "\x0bMSH|^~\\&|||||||ACK|1\rMSA|OK|1\r\x1c\r", false},
		{"garbage", "\x0bhello\x1c\r", false},
		{"no block", "hello", false},
		{"a batch", "\x0bBHS|^~\\&|\r\x1c\r", false},
		{"an answer and a message", "\x0b" + ack("AA", message("ADT^A01", "1")) + message("ADT^A01", "9") + "\x1c\r", false},
		{"an answer and a message far away", "\x0b" + ack("AA", message("ADT^A01", "1")) + strings.Repeat("x", 100<<10) + "\r" + message("ADT^A01", "9") + "\x1c\r", false},
		{"a NUL", "\x0b" + ack("AA", message("ADT^A01", "1")) + "\x00\x1c\r", false},
		{"a commit", "\x0b\x06\x1c\r\x0b\x06\x1c\r", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "ADT^A01")
			c := w.call(t)
			target := w.accept(t)
			c.send(t, message("ADT^A01", "1"))
			asked := target.receive(t)
			_, err := io.WriteString(target, tt.in)
			require.NoError(t, err)
			if tt.goesOn {
				require.Equal(t, "AR 9", msa(t, target.receive(t)))
				target.send(t, ack("AA", asked))
				require.Equal(t, "AA 1", c.code(t))
				require.Equal(t, []string{"t1", "1"}, []string{w.records.Of(record.Message)[0].Number, w.records.Of(record.Message)[1].Number})
				return
			}
			if strings.HasSuffix(tt.name, "far away") { // most of it has gone, but it gets no end
				rest, _ := io.ReadAll(c.in)
				require.NotContains(t, string(rest), "\x1c")
				return
			}
			if tt.name == "a commit" {
				require.Equal(t, "\x06", c.receive(t), "the first of them is good")
			}
			require.Equal(t, "AE 1", c.code(t))
			c.gone(t)
		})
	}
}

// What the guard answers the target cannot: it has not seen the message.
func TestAnswerToRefused(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	w.gate.Outstanding = 2
	c := w.call(t)
	target := w.accept(t)
	c.send(t, message("ADT^A01", "1"))
	c.send(t, message("ORM^O01", "2"))
	w.records.Asked(t, 3) // for the link, and for each message
	target.receive(t)
	target.send(t, ack("AA", message("ADT^A01", "2")))
	require.Equal(t, "AE 1", c.code(t))
	require.Equal(t, "AR 2", c.code(t))
	c.gone(t)
}

// An answer that comes twice, when nothing waits for it, is dropped.
func TestAnsweredTwice(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	for _, id := range []string{"1", "2"} {
		c.send(t, message("ADT^A01", id))
		answer := ack("AA", target.receive(t))
		target.send(t, answer)
		require.Equal(t, "AA "+id, c.code(t))
		target.send(t, answer)
		for len(w.records.Of(record.Message)) < 2 && id == "1" || len(w.records.Of(record.Message)) < 4 && id == "2" {
			w.records.Wait(t, len(w.records.Of(record.Message))+2)
		}
	}
}

// A target may say no to a message whose control ID it could not read.
func TestUnnamedRefusal(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	c.send(t, message("ADT^A01", "1"))
	target.receive(t)
	target.send(t, "MSH|^~\\&|||||||ACK|1\rMSA|AE\r")
	require.Contains(t, c.receive(t), "MSA|AE\r")
	c.send(t, message("ADT^A01", "2"))
	target.send(t, ack("AA", target.receive(t)))
	require.Equal(t, "AA 2", c.code(t))
}
