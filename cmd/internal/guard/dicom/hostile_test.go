package dicom

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// everything is a rule that allows the modality all there is: what is malformed is
// refused all the same.
var everything = rule("all", allow.DICOMRule{})

// Whatever is malformed before there is an association is answered, is on record, and
// never reaches the target.
func TestHostileRequest(t *testing.T) {
	p := play(t, everything)
	for name, b := range hostile() {
		t.Run(name, func(t *testing.T) {
			before := len(p.journal.All())
			caller := dial(t, p.address)
			caller.say(b)
			body := caller.hear(typeAssociateRJ)
			require.EqualValues(t, 1, body[1], "permanent")
			caller.silence()
			r := p.journal.Nth(t, "open", before+1)
			require.Equal(t, record.Refused, r.Outcome)
			require.NotEmpty(t, r.Reason)
		})
	}
	for name, tt := range map[string]struct {
		b      []byte
		reason abortReason
	}{
		"not DICOM":          {[]byte("GET / HTTP/1.1\r\n\r\n"), abortUnrecognized},
		"an unknown PDU":     {[]byte{8, 0, 0, 0, 0, 4, 0, 0, 0, 0}, abortUnrecognized},
		"an answer":          {echoAndStore().pdu(typeAssociateAC), abortUnexpected},
		"data":               {pdata(1, true, true, asks(cEcho, 1, verification, false)), abortUnexpected},
		"a release":          {frame(typeReleaseRQ, make([]byte, 4)), abortUnexpected},
		"a release of 5":     {frame(typeReleaseRQ, make([]byte, 5)), abortInvalidValue},
		"an abort of 4 GiB":  {[]byte{7, 0, 0xff, 0xff, 0xff, 0xff}, abortInvalidValue},
		"an answer of 4 GiB": {[]byte{2, 0, 0xff, 0xff, 0xff, 0xff}, abortInvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(p.journal.All())
			caller := dial(t, p.address)
			caller.say(tt.b)
			require.Equal(t, []byte{0, 0, sourceProvider, byte(tt.reason)}, caller.hear(typeAbort))
			caller.silence()
			require.Equal(t, record.Refused, p.journal.Nth(t, "open", before+1).Outcome)
		})
	}
	require.Empty(t, p.targets, "the target was never asked")
}

// Whatever is malformed on an association is an abort to both ends, whoever said it, and
// nothing of it is passed on.
func TestHostileMessage(t *testing.T) {
	const max = 16384 // what both ends take
	echo, store := asks(cEcho, 1, verification, false), asks(cStore, 1, ctStorage, true)
	good := pdata(1, true, true, echo)
	patched := func(b []byte, at int, with ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], with)
		return b
	}
	set := func(fill func(b []byte) []byte) []byte { return pdata(1, true, true, commandSet(fill)) }
	element := func(b []byte, e uint16, v ...byte) []byte { return appendElement(b, e, v) }
	for name, b := range map[string][]byte{
		"no value":                       {4, 0, 0, 0, 0, 0},
		"5 bytes":                        {4, 0, 0, 0, 0, 5, 0, 0, 0, 1, 1},
		"value of 0":                     {4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 1, 3},
		"value of 1":                     {4, 0, 0, 0, 0, 6, 0, 0, 0, 1, 1, 3},
		"value past its PDU":             patched(good, 6, 0, 0, 0xff, 0),
		"value of 4 GiB":                 patched(good, 6, 0xff, 0xff, 0xff, 0xff),
		"value short of its PDU":         frame(typeData, append(bytes.Clone(good[headerLength:]), 1, 2, 3)),
		"PDU longer than agreed":         {4, 0, 0, 0, 0x40, 1, 0, 0, 0x3f, 0xfd, 1, 3},
		"PDU of 4 GiB":                   {4, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb, 1, 3},
		"control header 4":               patched(good, 11, 7),
		"even context":                   patched(good, 10, 2),
		"context that was not asked":     patched(good, 10, 99),
		"data without a command":         pdata(1, false, true, []byte("data")),
		"empty value, not the last":      pdata(1, true, false, nil),
		"empty command":                  pdata(1, true, true, nil),
		"half a command, then data":      append(pdata(1, true, false, echo[:20]), pdata(1, false, true, echo[20:])...),
		"half a command on another":      append(pdata(1, true, false, echo[:20]), pdata(3, true, true, echo[20:])...),
		"half a command, then a release": append(pdata(1, true, false, echo[:20]), frame(typeReleaseRQ, make([]byte, 4))...),
		"command for data":               append(pdata(3, true, true, store), good...),
		"data on another context":        append(pdata(3, true, true, store), pdata(1, false, true, []byte("data"))...),
		"release for data":               append(pdata(3, true, true, store), frame(typeReleaseRQ, make([]byte, 4))...),
		"endless command":                bytes.Repeat(pdata(1, true, false, make([]byte, 8000)), 3),
		"group length lies":              pdata(1, true, true, patched(echo, 8, 1)),
		"no group length":                pdata(1, true, true, echo[12:]),
		"group 0002":                     pdata(1, true, true, patched(echo, 12, 2)),
		"7 bytes of an element":          pdata(1, true, true, echo[:19]),
		"element of 4 GiB":               pdata(1, true, true, patched(echo, 16, 0xff, 0xff, 0xff, 0xff)),
		"odd element":                    set(func(b []byte) []byte { return element(append(b, echo[12:]...), 0x5000, 1) }),
		"element twice":                  set(func(b []byte) []byte { return element(append(b, echo[12:]...), elementAffectedInstance, '1', 0) }),
		"elements out of order":          set(func(b []byte) []byte { return element(append(b, echo[12:]...), elementRequestedInstance-2, '1', 0) }),
		"no command field":               set(func(b []byte) []byte { return appendShort(b, elementDataSetType, noDataSet) }),
		"unknown command":                patched(good, 12+bytes.Index(echo, []byte{0x30, 0, 0, 0, 0x10, 1}), 0x31),
		"no message ID": set(func(b []byte) []byte {
			return appendShort(appendShort(element(b, elementAffectedClass, '1', 0), elementField, uint16(cEcho)), elementDataSetType, noDataSet)
		}),
		"no SOP class": set(func(b []byte) []byte {
			return appendShort(appendShort(appendShort(b, elementField, uint16(cEcho)), elementID, 1), elementDataSetType, noDataSet)
		}),
		"two SOP classes": set(func(b []byte) []byte {
			return appendShort(appendShort(appendShort(element(element(b, elementAffectedClass, '1', 0), elementRequestedClass, '1', 0), elementField, uint16(nGet)), elementID, 1), elementDataSetType, noDataSet)
		}),
		"SOP class of letters": pdata(1, true, true, asks(cEcho, 1, "1.2\n<x>", false)),
		"SOP class of 66":      pdata(1, true, true, asks(cEcho, 1, "1."+string(bytes.Repeat([]byte("2"), 64)), false)),
		"cancel with data":     patched(pdata(1, true, true, cancels(1)), 12+12+8+2+8+2+8, 1, 0),
		"response to nothing":  pdata(1, true, true, answers(cEcho, 1, verification, 0, false)),
		"response without a status": set(func(b []byte) []byte {
			return appendShort(appendShort(appendShort(b, elementField, uint16(cEcho|responseBit)), elementRespondedTo, 1), elementDataSetType, noDataSet)
		}),
		"release reply":                    frame(typeReleaseRP, make([]byte, 4)),
		"release of 3 bytes":               frame(typeReleaseRQ, make([]byte, 3)),
		"another association":              echoAndStore().pdu(typeAssociateRQ),
		"another answer":                   echoAndStore().pdu(typeAssociateAC),
		"a rejection":                      rejectUser.pdu(),
		"HTTP":                             []byte("GET / HTTP/1.1\r\n\r\n"),
		"data after a release request":     append(frame(typeReleaseRQ, make([]byte, 4)), good...),
		"two release requests":             bytes.Repeat(frame(typeReleaseRQ, make([]byte, 4)), 2),
		"message ID in use":                bytes.Repeat(good, 2),
		"more operations than are allowed": manyEchoes(maxOperations + 1),
	} {
		t.Run(name, func(t *testing.T) {
			for _, fromCaller := range []bool{true, false} {
				p := play(t, everything)
				p.set(func() { p.route.Observe = true }) // the target's requests pass, too
				p.open(t, echoAndStore())
				speaker, listener := p.caller, p.target
				if !fromCaller {
					speaker, listener = listener, speaker
				}
				speaker.say(b)
				for _, end := range []*talker{speaker, listener} {
					for { // what was good before it is passed on
						h, err := readHeader(end)
						require.NoError(t, err)
						body, err := h.body(end)
						require.NoError(t, err)
						if h.Type == typeAbort {
							require.EqualValues(t, sourceProvider, body[2])
							break
						}
						require.NotEqual(t, speaker, end)
						require.Contains(t, []pduType{typeData, typeReleaseRQ}, h.Type)
						require.LessOrEqual(t, int(h.Length), max)
					}
				}
				r := p.journal.Nth(t, "close", 1)
				require.Equal(t, fromCaller, r.Outcome == record.Refused, r.Reason)
				require.Equal(t, !fromCaller, r.Outcome == record.Failed, r.Reason)
				require.Less(t, len(r.Reason), 200)
			}
		})
	}
}

func manyEchoes(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, pdata(1, true, true, asks(cEcho, uint16(i), verification, false))...)
	}
	return b
}

// A conversation means the same however it is split: byte by byte on the wire, and in
// fragments of two bytes.
func TestSplit(t *testing.T) {
	p := play(t, everything)
	p.caller = dial(t, p.address)
	trickle := func(k *talker, b []byte) {
		for i := range b {
			k.say(b[i : i+1])
		}
	}
	go trickle(p.caller, echoAndStore().pdu(typeAssociateRQ))
	p.target = p.reached(t)
	proposed, err := parseAssociation(typeAssociateRQ, p.target.hear(typeAssociateRQ))
	require.NoError(t, err)
	go trickle(p.target, granting(proposed).pdu(typeAssociateAC))
	p.caller.hear(typeAssociateAC)
	image := bytes.Repeat([]byte("pixels"), 200)
	var pieces []byte
	for _, m := range []struct {
		command bool
		data    []byte
	}{{true, asks(cStore, 1, ctStorage, true)}, {false, image}} {
		for at := 0; at < len(m.data); at += 2 {
			pieces = append(pieces, pdata(3, m.command, at+2 == len(m.data), m.data[at:at+2])...)
		}
	}
	go trickle(p.caller, pieces)
	c, data := p.target.message()
	require.Equal(t, cStore, c.Field)
	require.Equal(t, image, data)
	// Several values in one PDU, and an empty last one.
	rsp := answers(cStore, 1, ctStorage, 0, false)
	one, two := pdata(3, true, false, rsp[:30]), pdata(3, true, false, rsp[30:])
	end := pdata(3, true, true, nil)
	p.target.say(frame(typeData, bytes.Join([][]byte{one[6:], two[6:], end[6:]}, nil)))
	c, _ = p.caller.message()
	require.Equal(t, cStore|responseBit, c.Field)
	p.release()
}

// A data set of any length, in one value, costs a bounded memory: it goes on as it comes.
func TestEndless(t *testing.T) {
	p := play(t, everything)
	asked := echoAndStore()
	asked.User.parts[0].Value = make([]byte, 4) // any length
	p.caller = dial(t, p.address)
	p.caller.say(asked.pdu(typeAssociateRQ))
	p.target = p.reached(t)
	proposed, err := parseAssociation(typeAssociateRQ, p.target.hear(typeAssociateRQ))
	require.NoError(t, err)
	granted := granting(proposed)
	p.target.say(granted.pdu(typeAssociateAC))
	p.caller.hear(typeAssociateAC)

	const size = 256 << 20
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() {
		p.caller.say(pdata(3, true, true, asks(cStore, 1, ctStorage, true)), []byte{4, 0, 0x10, 0, 0, 6, 0x10, 0, 0, 2, 3, 2})
		block := make([]byte, 1<<20)
		for range size >> 20 {
			p.caller.say(block)
		}
	}()
	c, _ := p.target.commandOnly()
	require.Equal(t, cStore, c.Field)
	n, in := 0, fragments{r: p.target, limit: maxFragment + pdvHeader}
	for last := false; !last; {
		part, _, err := in.next()
		require.NoError(t, err)
		n, last = n+len(part.Data), part.Last
	}
	require.Equal(t, size, n)
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	require.Less(t, after.HeapSys, before.HeapSys+64<<20)
	p.target.say(pdata(3, true, true, answers(cStore, 1, ctStorage, 0, false)))
	p.caller.message()
	p.release()
	require.Greater(t, p.journal.Nth(t, "C-STORE", 1).In, int64(size))
}

// A caller that floods instead of asking is let go.
func TestFlood(t *testing.T) {
	p := play(t, everything)
	caller := dial(t, p.address)
	caller.say([]byte{1, 0, 0xff, 0xff, 0xff, 0xff})
	go func() {
		for block := make([]byte, 1<<20); ; {
			if _, err := caller.Write(block); err != nil {
				return
			}
		}
	}()
	require.Equal(t, []byte{0, 1, 3, 2}, caller.hear(typeAssociateRJ))
	io.ReadAll(caller) // which ends
	require.Equal(t, record.Refused, p.journal.Nth(t, "open", 1).Outcome)
}
