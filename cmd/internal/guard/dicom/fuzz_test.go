package dicom

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAssociation: an association that is taken is written again so that it reads the
// same, no longer than it came, and within every bound.
func FuzzAssociation(f *testing.F) {
	granted := echoAndStore()
	granted.Contexts = []presentation{{ID: 1, Transfers: []string{implicitLE}}, {ID: 3, Result: userRejection, Transfers: []string{implicitLE}}}
	f.Add(byte(typeAssociateRQ), echoAndStore().pdu(typeAssociateRQ)[headerLength:])
	f.Add(byte(typeAssociateAC), granted.pdu(typeAssociateAC)[headerLength:])
	for _, b := range hostile() {
		f.Add(byte(typeAssociateRQ), b[min(len(b), headerLength):])
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		k := typeAssociateRQ + pduType(kind%2)
		a, err := parseAssociation(k, body)
		if err != nil {
			require.NotNil(t, asFault(err))
			return
		}
		require.LessOrEqual(t, len(a.Contexts), maxContexts)
		for i, c := range a.Contexts {
			require.EqualValues(t, 1, c.ID%2)
			require.Equal(t, &a.Contexts[i], a.context(c.ID), "no number is there twice")
			require.LessOrEqual(t, len(c.Transfers), maxTransfers)
		}
		b := a.pdu(k)
		require.LessOrEqual(t, len(b), headerLength+len(body))
		again, err := parseAssociation(k, b[headerLength:])
		require.NoError(t, err)
		require.Equal(t, a, again)
		require.Equal(t, b, again.pdu(k))
	})
}

// FuzzFragments: what is read of a stream is in it, in pieces that are bounded, and
// reads the same when each is written as a PDU of its own.
func FuzzFragments(f *testing.F) {
	echo := pdata(1, true, true, asks(cEcho, 1, verification, false))
	f.Add(uint32(16384), bytes.Repeat(echo, 3))
	f.Add(uint32(0), append(pdata(3, true, true, asks(cStore, 1, ctStorage, true)), pdata(3, false, true, make([]byte, 70000))...))
	f.Add(uint32(0), frame(typeReleaseRQ, make([]byte, 4)))
	f.Add(uint32(128), echo[:40])
	f.Fuzz(func(t *testing.T, limit uint32, stream []byte) {
		in := fragments{r: bytes.NewReader(stream), limit: limit}
		var written []byte
		total := 0
		for {
			part, h, err := in.next()
			if err != nil || h.Type != typeData {
				break
			}
			require.LessOrEqual(t, len(part.Data), maxFragment)
			require.True(t, part.Last || len(part.Data) > 0, "each makes progress")
			total += len(part.Data)
			pdu := part.appendPDU(nil)
			require.True(t, limit == 0 || len(pdu) <= int(limit)+headerLength)
			written = append(written, pdu...)
		}
		require.LessOrEqual(t, total, len(stream))
		again := fragments{r: bytes.NewReader(written), limit: limit}
		var twice []byte
		for {
			part, _, err := again.next()
			if err != nil {
				break
			}
			twice = part.appendPDU(twice)
		}
		require.True(t, bytes.Equal(written, twice))
	})
}

// FuzzCommand: a command set that is taken has a known command and a SOP class that
// can stand in a record, and its response can be read.
func FuzzCommand(f *testing.F) {
	f.Add(asks(cStore, 1, ctStorage, true))
	f.Add(answers(cFind, 2, ctStorage, statusPending, true))
	f.Add(cancels(3))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxCommand {
			return
		}
		c, err := parseCommand(b)
		if err != nil {
			require.NotNil(t, asFault(err))
			return
		}
		require.True(t, c.Field.known())
		if c.Class != "" {
			uid, err := parseUID([]byte(c.Class))
			require.NoError(t, err)
			require.Equal(t, c.Class, uid)
		}
		if c.Field.response() || c.Field == cancel {
			return
		}
		answer, err := parseCommand(c.answer(statusNotAuthorized))
		require.NoError(t, err)
		require.Equal(t, c.Field|responseBit, answer.Field)
		require.Equal(t, c.ID, answer.ID)
		require.EqualValues(t, statusNotAuthorized, answer.Status)
		require.False(t, answer.Data)
	})
}
