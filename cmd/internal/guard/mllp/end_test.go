package mllp_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// on record.
func TestCallerGone(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	c.send(t, message("ADT^A01", "1"))
	asked := target.receive(t)
	require.NoError(t, c.SetLinger(0))
	require.NoError(t, c.Close())
	target.send(t, ack("AA", asked))
	<-c.served
	all := w.records.Of(record.Message)
	require.Len(t, all, 1)
	require.Equal(t, []any{record.Allowed, "AA"}, []any{all[0].Outcome, all[0].Answer})
	end := w.records.Wait(t, 3)[2]
	require.Equal(t, record.Failed, end.Outcome)
	require.Contains(t, end.Reason, "caller: ")
}

// answer that cannot be recorded is not given, and the link ends.
func TestNoRecord(t *testing.T) {
	full := errFull
	w := newWorld(t, "ADT^A01")
	w.records.Fail(full, nil)
	c := w.call(t)
	c.gone(t)

	w.records.Fail(nil, func(record.Record) error { return errFull })
	c = w.call(t)
	target := w.accept(t)
	c.gone(t)
	_, err := target.in.ReadByte()
	require.ErrorIs(t, err, io.EOF)

	w.records.Fail(nil, nil)
	c = w.call(t)
	target = w.accept(t)
	c.send(t, message("ADT^A01", "1"))
	target.send(t, ack("AA", target.receive(t)))
	require.Equal(t, "AA 1", c.code(t))
	w.records.Fail(full, nil)
	c.send(t, message("ADT^A01", "2"))
	require.Equal(t, "AR 2", c.code(t))
	c.gone(t)
	_, err = target.in.ReadByte()
	require.ErrorIs(t, err, io.EOF, "nothing of it reached the target")

	w.records.Fail(nil, nil)
	for _, size := range []int{0, 100 << 10} {
		c = w.call(t)
		target = w.accept(t)
		w.records.Fail(nil, func(r record.Record) error {
			if r.Answer == "AA" {
				return full
			}
			return nil
		})
		c.send(t, message("ADT^A01", "3"))
		target.send(t, ack("AA", target.receive(t))+strings.Repeat("x", size))
		if size == 0 {
			require.Equal(t, "AR 3", c.code(t))
			c.gone(t)
		} else {
			rest, err := receive(c.in)
			require.Error(t, err, "it has no end")
			require.Len(t, rest, len("\x0b")+len(ack("AA", message("ADT^A01", "3")))+size)
		}
	}
}

// was under way; its sender is told where it still listens.
func TestEnded(t *testing.T) {
	for _, reason := range []string{gate.Revoked, gate.Expired, gate.TooOld, gate.Draining} {
		w := newWorld(t, "ADT^A01")
		c := w.call(t)
		target := w.accept(t)
		c.send(t, message("ADT^A01", "1"))
		target.receive(t)
		c.link.End(reason)
		if reason == gate.TooOld || reason == gate.Draining {
			require.Equal(t, "AE 1", c.code(t))
		}
		c.gone(t)
		_, err := target.in.ReadByte()
		require.Error(t, err)
		records := w.records.Wait(t, 3)
		for _, r := range records[1:] {
			require.Equal(t, record.Cut, r.Outcome, reason)
			require.Equal(t, reason, r.Reason)
		}
		require.Equal(t, "ADT^A01", records[1].Operation)
	}
}

// it.
func TestEndedWithin(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	_, err := io.WriteString(c, "\x0b"+message("ADT^A01", "1")+strings.Repeat("x", 100<<10))
	require.NoError(t, err)
	_, err = target.in.ReadByte() // it has begun to stream
	require.NoError(t, err)
	c.link.End(gate.Revoked)
	c.gone(t)
	rest, err := io.ReadAll(target.in)
	require.NotContains(t, string(rest), "\x1c", err)
	records := w.records.Wait(t, 3)
	require.Equal(t, []string{"ADT^A01", gate.Revoked, "close", gate.Revoked}, []string{records[1].Operation, records[1].Reason, records[2].Operation, records[2].Reason})
}

// A route that drains finishes the message that is under way, and begins no other.
func TestDrain(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	c.send(t, message("ADT^A01", "1"))
	asked := target.receive(t)
	close(w.drain)
	target.send(t, ack("AA", asked))
	require.Equal(t, "AA 1", c.code(t))
	c.gone(t)
	require.Equal(t, record.Allowed, w.records.Wait(t, 3)[2].Outcome)

	c = w.call(t) // and an idle one ends at once
	c.gone(t)
}

// answered with AE, in order.
func TestTarget(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	w.gate.Outstanding = 10
	c := w.call(t)
	target := w.accept(t)
	for _, id := range []string{"1", "2", "3"} {
		c.send(t, message("ADT^A01", id))
		target.receive(t)
	}
	c.send(t, message("ORM^O01", "4"))
	w.records.Wait(t, 1)
	require.NoError(t, target.SetLinger(0)) // a reset, as of a process that died
	target.Close()
	for _, want := range []string{"AE 1", "AE 2", "AE 3"} {
		require.Equal(t, want, c.code(t))
	}
	rest, _ := io.ReadAll(c.in)
	if len(rest) > 0 { // it was read before the target died
		require.Equal(t, "AR 4", msa(t, string(rest)))
	}
	<-c.served
	for _, r := range w.records.Of(record.Message)[:3] {
		require.Equal(t, record.Failed, r.Outcome)
		require.Contains(t, r.Reason, "target: ")
		require.Equal(t, "AE", r.Answer)
	}

	w.target.Close()
	c = w.call(t)
	c.gone(t)
	records := w.records.Wait(t, len(w.records.All()))
	require.Equal(t, "open", records[len(records)-1].Operation)
	require.Equal(t, record.Failed, records[len(records)-1].Outcome)
}

// when it has sent the rest.
func TestTargetDiesWithin(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	content := message("ADT^A01", "1") + strings.Repeat("x", 100<<10)
	_, err := io.WriteString(c, "\x0b"+content)
	require.NoError(t, err)
	_, err = target.in.ReadByte()
	require.NoError(t, err)
	require.NoError(t, target.SetLinger(0))
	target.Close()
	_, err = io.WriteString(c, strings.Repeat("x", 1<<20)+"\x1c\r")
	require.NoError(t, err)
	require.Equal(t, "AE 1", c.code(t))
	c.gone(t)
	require.Equal(t, record.Failed, w.records.Of(record.Message)[0].Outcome)
}
