package mllp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
)

// In enhanced mode an accept acknowledgement frees the link for the next message, and
// the application's may come after that, once, with a record of its own.
func TestEnhanced(t *testing.T) {
	w := newWorld(t, "ADT^A01", "ACK^A01")
	c := w.call(t)
	target := w.accept(t)
	both := func(id string) string { return message("ADT^A01", id, "|||AL|AL") }
	c.send(t, both("1"))
	first := target.receive(t)
	target.send(t, ack("CA", first))
	require.Equal(t, "CA 1", c.code(t))
	c.send(t, both("2"))
	second := target.receive(t)
	target.send(t, ack("AA", first)) // while the second waits
	require.Equal(t, "AA 1", c.code(t))
	c.send(t, message("ACK^A01", "A1")) // the caller's own accept acknowledgement, which waits for nothing
	require.Contains(t, target.receive(t), "ACK^A01")
	target.send(t, ack("CE", second)) // after which none of the application comes
	require.Equal(t, "CE 2", c.code(t))
	c.send(t, message("ORM^O01", "3", "|||AL|AL"))
	require.Equal(t, "CR 3", c.code(t))

	said := ""
	for _, r := range w.records.Of(record.Message) {
		said += r.Number + " " + r.Operation + " " + r.Answer + ", "
	}
	require.Equal(t, "1 ADT^A01 CA, 1.2 ADT^A01 AA, 3 ACK^A01 , 2 ADT^A01 CE, 4 ORM^O01 CR, ", said)
}

// A message that wants no answer is recorded before the target has its last byte, and
// waits for none; nor is its refusal told.
func TestUnanswered(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	c.send(t, message("ORM^O01", "1", "|||NE|NE"))
	c.send(t, message("ADT^A01", "2", "|||NE|NE"))
	c.send(t, message("ADT^A01", "3", "|||ER|ER")+strings.Repeat("x", 100<<10))
	target.receive(t)
	third := target.receive(t)
	require.Len(t, w.records.Of(record.Message), 3)
	target.send(t, ack("CE", third)) // which it asked for
	require.Equal(t, "CE 3", c.code(t))
	records := w.records.Of(record.Message)
	require.Len(t, records, 4)
	require.Equal(t, []string{"3.2", "CE"}, []string{records[3].Number, records[3].Answer})

	w.records.Fail(nil, func(r record.Record) error {
		if r.Number == "4" {
			return errFull
		}
		return nil
	})
	c.send(t, message("ADT^A01", "4", "|||NE|NE"))
	c.gone(t)
	_, err := target.in.ReadByte()
	require.Error(t, err, "it is not on record, and so has not gone")
}

// Commit blocks of MLLP release 2 pass both ways; what a caller says of the guard's own
// answer stays here, and a message that the target did not commit is done with.
func TestRelease2(t *testing.T) {
	w := newWorld(t, "ADT^A01")
	c := w.call(t)
	target := w.accept(t)
	const ACK, NAK = "\x06", "\x15"
	c.send(t, message("ORM^O01", "1"))
	require.Equal(t, "AR 1", c.code(t))
	c.send(t, ACK)
	c.send(t, message("ADT^A01", "2"))
	asked := target.receive(t)
	target.send(t, ACK)
	require.Equal(t, ACK, c.receive(t))
	target.send(t, ack("AA", asked))
	require.Equal(t, "AA 2", c.code(t))
	c.send(t, ACK)
	require.Equal(t, ACK, target.receive(t), "and not the one before")
	c.send(t, message("ADT^A01", "3"))
	target.receive(t)
	target.send(t, NAK)
	require.Equal(t, NAK, c.receive(t))
	c.send(t, message("ADT^A01", "4"))
	target.receive(t)
	records := w.records.Of(record.Message)
	require.Equal(t, []string{"3", "NAK"}, []string{records[2].Number, records[2].Answer})

	c = w.call(t)
	c.send(t, ACK)
	c.gone(t) // there is nothing to commit
}

// A rule may let batches pass; then what is in them is not looked at, and the next
// block of the target answers.
func TestBatch(t *testing.T) {
	w := newWorld(t, "ADT^A01", "BATCH")
	c := w.call(t)
	target := w.accept(t)
	file := "FHS|^~\\&|A|B|C|D|||||F-1\rBHS|^~\\&|A|B|C|D|||||B-1\r" + message("ORM^O01", "1") + message("ADT^A01", "2") + "BTS|2\rFTS|1\r"
	for _, content := range []string{file, message("ADT^A01", "3") + message("ADT^A02", "4"), message("ADT^A01", "5") + strings.Repeat("x", 100<<10) + "\r" + message("ADT^A02", "6")} {
		c.send(t, content)
		require.Equal(t, content, target.receive(t))
		answer := "BHS|^~\\&|A|B|C|D\r" + ack("AA", message("ADT^A01", "1")) + ack("AE", message("ADT^A01", "2"))
		target.send(t, answer)
		require.Equal(t, answer, c.receive(t))
	}
	for _, r := range w.records.Of(record.Message) {
		require.Equal(t, "BATCH", r.Operation)
		require.Equal(t, record.Allowed, r.Outcome)
	}
}
