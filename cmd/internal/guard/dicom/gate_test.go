package dicom

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

const (
	studyGet   = "1.2.840.10008.5.1.4.1.2.2.3"
	commitment = "1.2.840.10008.1.20.1"
	mrStorage  = "1.2.840.10008.5.1.4.1.1.4"
)

// anything allows the modality some commands on some SOP classes.
func anything(classes []string, commands ...string) allow.Rule {
	return rule("some", allow.DICOMRule{SOPClasses: classes, Commands: commands})
}

// What is not allowed is taken out of what the target is asked, with the roles that
// belong to it, and stands in the caller's answer, in its place, as rejected by the user.
func TestNegotiate(t *testing.T) {
	p := play(t, anything([]string{ctStorage}, "C-STORE"))
	asked := echoAndStore()
	asked.User.parts = append(asked.User.parts,
		part{Type: itemRole, Class: verification, Value: roleItem(verification, 1, 1)},
		part{Type: itemRole, Class: ctStorage, Value: roleItem(ctStorage, 1, 1)},
		part{Type: itemUserIdentityRQ, Value: []byte("\x02\x01\x00\x05alice\x00\x06secret")},
		part{Type: itemAsynchronous, Value: []byte{0, 5, 0, 5}},
	)
	proposed, replied := p.open(t, asked)
	require.Equal(t, asked.Contexts[1:], proposed.Contexts)
	require.Equal(t, append(append([]part(nil), asked.User.parts[:3]...), asked.User.parts[4:]...), proposed.User.parts)
	require.Equal(t, []presentation{{ID: 1, Result: userRejection}, {ID: 3, Transfers: []string{explicitLE}}}, replied.Contexts)
	p.release()
	for _, r := range p.journal.All() {
		require.NotContains(t, r.Event().Detail, "secret")
	}

	// An echo on the context that was refused ends the association.
	p.open(t, asked)
	p.caller.say(pdata(1, true, true, asks(cEcho, 1, verification, false)))
	require.EqualValues(t, abortInvalidValue, p.caller.hear(typeAbort)[3])
	p.target.hear(typeAbort)
	require.Equal(t, record.Refused, p.journal.Nth(t, "close", 2).Outcome)
}

// A command that no rule allows is answered as not authorized, and neither it nor its
// data set reaches the target; what comes after it works.
func TestRefusedCommand(t *testing.T) {
	p := play(t, anything([]string{ctStorage}, "C-STORE"), rule("modality", allow.DICOMRule{SOPClasses: []string{mrStorage}, Commands: []string{"C-GET"}}))
	p.open(t, request(
		presentation{ID: 1, Abstract: mrStorage, Transfers: []string{implicitLE}},
		presentation{ID: 3, Abstract: ctStorage, Transfers: []string{implicitLE}},
	))
	image := bytes.Repeat([]byte{7}, 10000)
	p.caller.say(
		pdata(1, true, true, asks(cStore, 7, mrStorage, true)),
		pdata(1, false, false, image), pdata(1, false, true, image),
		// A SOP class that is not that of the context needs a rule of its own.
		pdata(3, true, true, asks(cStore, 8, mrStorage, true)), pdata(3, false, true, image),
		pdata(1, true, true, asks(cStore, 6, ctStorage, true)), pdata(1, false, true, image),
		pdata(3, true, true, asks(cStore, 9, ctStorage, true)), pdata(3, false, true, image),
	)
	for _, id := range []uint16{7, 8, 6} {
		c, _ := p.caller.message()
		require.Equal(t, cStore|responseBit, c.Field)
		require.Equal(t, id, c.ID)
		require.EqualValues(t, 0x0124, c.Status)
	}
	c, data := p.target.message()
	require.EqualValues(t, 9, c.ID, "the first thing that the target hears")
	require.Equal(t, image, data)
	p.target.say(pdata(3, true, true, answers(cStore, 9, ctStorage, 0xb000, false)))
	c, _ = p.caller.message()
	require.EqualValues(t, 0xb000, c.Status)
	p.release()

	for n := 1; n <= 3; n++ {
		refused := p.journal.Nth(t, "C-STORE", n)
		require.Equal(t, record.Refused, refused.Outcome)
		require.EqualValues(t, 0x0124, refused.Status)
		require.Zero(t, refused.In)
		require.NotZero(t, refused.Response)
	}
	done := p.journal.Nth(t, "C-STORE", 4)
	require.Equal(t, []any{record.Allowed, "some", 0xb000, "4"}, []any{done.Outcome, done.Rule, done.Status, done.Number})
	digest := done.Key.Digest(record.ToTarget)
	digest.Write(asks(cStore, 9, ctStorage, true))
	digest.Write(image)
	require.Equal(t, record.Digest(digest.Sum(nil)), done.Request)
	require.Equal(t, record.Allowed, p.journal.Nth(t, "close", 1).Outcome)
}

// A guard that observes lets through what it would refuse, and says so.
func TestObserve(t *testing.T) {
	p := play(t, anything([]string{mrStorage}, "C-STORE"))
	p.set(func() { p.route.Observe = true })
	p.open(t, echoAndStore())
	p.caller.say(pdata(1, true, true, asks(cEcho, 1, verification, false)))
	p.target.message()
	p.target.say(pdata(1, true, true, answers(cEcho, 1, verification, 0, false)))
	p.caller.message()
	p.release()
	require.Equal(t, record.Observed, p.journal.Nth(t, "C-ECHO", 1).Outcome)
	require.Equal(t, record.Observed, p.journal.Nth(t, "close", 1).Outcome)
}

// The file of rules can have a guard observe, too: then what the target asks unasked
// passes as it does when the route says so.
func TestObserveByRules(t *testing.T) {
	p := play(t, anything([]string{commitment}, "N-ACTION"))
	p.set(func() { p.route.Observing = func() bool { return true } })
	p.open(t, request(presentation{ID: 1, Abstract: commitment, Transfers: []string{implicitLE}}))
	p.target.say(pdata(1, true, true, asks(nSet, 5, commitment, false)))
	p.caller.message()
	p.caller.say(pdata(1, true, true, answers(nSet, 5, commitment, 0, false)))
	c, _ := p.target.message()
	require.Zero(t, c.Status)
	p.release()
	require.Equal(t, record.Observed, p.journal.Nth(t, "N-SET", 1).Outcome)
}

// Within a C-GET the target sends what the rules let the caller retrieve; nothing else,
// not before it and not after it, though a rule lets the caller store.
func TestRetrieve(t *testing.T) {
	p := play(t, anything([]string{studyGet, ctStorage}, "C-GET"), rule("stores", allow.DICOMRule{SOPClasses: []string{mrStorage}, Commands: []string{"C-STORE"}}))
	p.open(t, request(
		presentation{ID: 1, Abstract: studyGet, Transfers: []string{implicitLE}},
		presentation{ID: 3, Abstract: ctStorage, Transfers: []string{implicitLE}},
		presentation{ID: 5, Abstract: mrStorage, Transfers: []string{implicitLE}},
	))
	refused := func(context byte, id uint16, class string) {
		t.Helper()
		p.target.say(pdata(context, true, true, asks(cStore, id, class, true)), pdata(context, false, true, []byte("image ")))
		c, _ := p.target.message()
		require.EqualValues(t, 0x0124, c.Status)
		require.Equal(t, id, c.ID)
	}
	refused(3, 1, ctStorage)
	p.caller.say(pdata(1, true, true, asks(cGet, 1, studyGet, true)), pdata(1, false, true, []byte("what")))
	p.target.message()
	refused(5, 2, mrStorage)
	p.target.say(pdata(3, true, true, asks(cStore, 3, ctStorage, true)), pdata(3, false, true, []byte("image ")))
	c, data := p.caller.message()
	require.EqualValues(t, 3, c.ID)
	require.Equal(t, "image ", string(data))
	p.caller.say(pdata(3, true, true, answers(cStore, 3, ctStorage, 0, false)))
	p.target.message()
	sub := p.journal.Nth(t, "C-STORE", 3)
	require.Equal(t, record.Allowed, sub.Outcome)
	require.Equal(t, "t1", sub.Number)
	require.Greater(t, sub.In, int64(0), "the response goes to the target")
	require.Greater(t, sub.Out, sub.In)
	p.target.say(
		pdata(1, true, true, answers(cGet, 1, studyGet, statusPending, false)),
		pdata(1, true, true, answers(cGet, 1, studyGet, 0xb000, true)), pdata(1, false, true, []byte("failed")),
	)
	c, _ = p.caller.message()
	require.EqualValues(t, statusPending, c.Status)
	c, data = p.caller.message()
	require.EqualValues(t, 0xb000, c.Status)
	require.Equal(t, "failed", string(data))
	require.EqualValues(t, 0xb000, p.journal.Nth(t, "C-GET", 1).Status)
	refused(3, 4, ctStorage)
	p.release()
}

// Storage commitment comes back on the same association where a rule names its command.
func TestEventReport(t *testing.T) {
	for _, commands := range [][]string{{"N-ACTION", "N-EVENT-REPORT"}, {"N-ACTION"}} {
		p := play(t, anything([]string{commitment}, commands...))
		p.open(t, request(presentation{ID: 1, Abstract: commitment, Transfers: []string{implicitLE}}))
		p.target.say(pdata(1, true, true, asks(nEventReport, 5, commitment, true)), pdata(1, false, true, []byte("stored")))
		var c command
		if len(commands) == 2 {
			p.caller.message()
			p.caller.say(pdata(1, true, true, answers(nEventReport, 5, commitment, 0, false)))
			c, _ = p.target.message()
			require.Zero(t, c.Status)
		} else {
			c, _ = p.target.message()
			require.EqualValues(t, 0x0124, c.Status)
		}
		p.release()
	}
}

// A C-CANCEL goes with its request, and nowhere without one.
func TestCancel(t *testing.T) {
	const find = "1.2.840.10008.5.1.4.1.2.2.1"
	p := play(t, anything([]string{find}, "C-FIND"))
	p.open(t, request(presentation{ID: 1, Abstract: find, Transfers: []string{implicitLE}}))
	p.caller.say(
		pdata(1, true, true, cancels(4)),
		pdata(1, true, true, asks(cFind, 3, find, true)), pdata(1, false, true, []byte("who?")),
		pdata(1, true, true, cancels(3)),
	)
	c, _ := p.target.message()
	require.Equal(t, cFind, c.Field)
	c, _ = p.target.message()
	require.Equal(t, cancel, c.Field)
	p.target.say(pdata(1, true, true, answers(cFind, 3, find, 0xfe00, false)))
	p.caller.message()
	p.release()
	require.EqualValues(t, 0xfe00, p.journal.Nth(t, "C-FIND", 1).Status)
}

// A C-MOVE makes the target send somewhere else: the record says where to.
func TestMove(t *testing.T) {
	const move = "1.2.840.10008.5.1.4.1.2.2.2"
	p := play(t, anything([]string{move}, "C-MOVE"))
	p.open(t, request(presentation{ID: 1, Abstract: move, Transfers: []string{implicitLE}}))
	p.caller.say(pdata(1, true, true, commandSet(func(b []byte) []byte {
		b = appendElement(b, elementAffectedClass, evenUID(move))
		b = appendShort(b, elementField, uint16(cMove))
		b = appendShort(b, elementID, 1)
		b = appendElement(b, elementDestination, []byte("WS2 "))
		return appendShort(b, elementDataSetType, 1)
	})), pdata(1, false, true, []byte("what")))
	p.target.message()
	p.target.say(pdata(1, true, true, answers(cMove, 1, move, 0, false)))
	p.caller.message()
	p.release()
	require.Equal(t, move+" Study Root Query/Retrieve - MOVE to WS2", p.journal.Nth(t, "C-MOVE", 1).Resource)

	p.open(t, request(presentation{ID: 1, Abstract: move, Transfers: []string{implicitLE}}))
	p.caller.say(pdata(1, true, true, asks(cMove, 1, move, true)))
	p.caller.hear(typeAbort)
	p.target.hear(typeAbort)
}

// The record of an operation is kept before the last piece of its response goes on; if
// it cannot be, that piece does not, and both ends are told.
func TestNoRecordOfOperation(t *testing.T) {
	p := play(t, anything([]string{verification}, "C-ECHO"))
	p.journal.Fail(nil, fullOnce(1)) // after the association's
	p.open(t, request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}))
	p.caller.say(pdata(1, true, true, asks(cEcho, 1, verification, false)))
	p.target.message()
	p.target.say(pdata(1, true, true, answers(cEcho, 1, verification, 0, false)))
	p.caller.hear(typeAbort)
	p.target.hear(typeAbort)
	failed := p.journal.Nth(t, "C-ECHO", 1) // when there is room again
	require.Equal(t, []any{record.Failed, errUnkept.Error()}, []any{failed.Outcome, failed.Reason})
	p.journal.Nth(t, "close", 1)
	require.Len(t, p.journal.All(), 3)
}

// An operation has one record: that its response could not be delivered is none.
func TestSettled(t *testing.T) {
	var o operations
	op := &operation{key: opKey{true, 1}}
	require.NoError(t, o.add(op))
	require.Len(t, o.unsettled(), 1)
	o.settle(op)
	require.Empty(t, o.unsettled())
	require.False(t, o.idle(), "its response is not delivered yet")
}

// A C-GET that is refused opens no way back for the C-STOREs of the target.
func TestRetrieving(t *testing.T) {
	for outcome, want := range map[record.Outcome]bool{record.Refused: false, record.Observed: true, record.Allowed: true} {
		var o operations
		require.NoError(t, o.add(&operation{key: opKey{true, 1}, request: command{Field: cGet}, record: record.Record{Outcome: outcome}}))
		require.Equal(t, want, o.retrieving())
	}
	var o operations
	require.NoError(t, o.add(&operation{key: opKey{false, 1}, request: command{Field: cGet}, record: record.Record{Outcome: record.Allowed}}))
	require.False(t, o.retrieving(), "it is the target's")
}

// What was refused and could not be answered any more was refused all the same.
func TestRefusedUnanswered(t *testing.T) {
	p := play(t, anything([]string{verification, ctStorage}, "C-ECHO"))
	p.open(t, echoAndStore())
	p.caller.say(pdata(3, true, true, asks(cStore, 5, ctStorage, true)), pdata(3, false, false, []byte("half")))
	p.caller.Close()
	p.target.hear(typeAbort)
	refused := p.journal.Nth(t, "C-STORE", 1)
	require.Equal(t, []any{record.Refused, 0, record.Digest{}}, []any{refused.Outcome, refused.Status, refused.Request})
}

// Where no record can be kept, a request does not reach the target.
func TestNoRecordOfRequest(t *testing.T) {
	p := play(t, anything([]string{verification}, "C-ECHO"))
	p.open(t, request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}))
	p.journal.Fail(errDiskFull, nil)
	p.caller.say(pdata(1, true, true, asks(cEcho, 1, verification, false)))
	p.caller.hear(typeAbort)
	p.target.hear(typeAbort)
}

// A response that answers no request as it was asked does not reach who asked.
func TestWrongResponse(t *testing.T) {
	for name, b := range map[string][]byte{
		"other command": pdata(1, true, true, answers(cFind, 1, verification, 0, false)),
		"other context": pdata(3, true, true, answers(cEcho, 1, verification, 0, false)),
		"other ID":      pdata(1, true, true, answers(cEcho, 2, verification, 0, false)),
		"to a refused one": append(pdata(1, true, true, answers(cEcho, 1, verification, 0, false)),
			pdata(3, true, true, answers(cStore, 5, ctStorage, 0, false))...),
		"twice": append(pdata(1, true, true, answers(cEcho, 1, verification, 0, false)),
			pdata(1, true, true, answers(cEcho, 1, verification, 0, false))...),
	} {
		t.Run(name, func(t *testing.T) {
			p := play(t, anything([]string{verification, ctStorage}, "C-ECHO"))
			p.open(t, echoAndStore())
			// Of the refused one only the command set has come, so that it is under way.
			p.caller.say(pdata(1, true, true, asks(cEcho, 1, verification, false)), pdata(3, true, true, asks(cStore, 5, ctStorage, true)))
			p.target.message()
			p.target.say(b)
			in := fragments{r: p.caller}
			for {
				part, h, err := in.next()
				require.NoError(t, err)
				if h.Type == typeAbort {
					break
				}
				c, err := parseCommand(part.Data)
				require.NoError(t, err)
				require.Equal(t, []any{cEcho | responseBit, uint16(1)}, []any{c.Field, c.ID})
			}
			p.target.hear(typeAbort)
			require.Equal(t, record.Failed, p.journal.Nth(t, "close", 1).Outcome)
		})
	}
}

// Without a record there is no association, and the caller may come again.
func TestNoRecord(t *testing.T) {
	for _, fail := range []func(j *gatetest.Records){
		func(j *gatetest.Records) { j.Fail(errDiskFull, nil) },
		func(j *gatetest.Records) { j.Fail(nil, fullOnce(0)) },
	} {
		p := play(t, anything([]string{verification}, "C-ECHO"))
		fail(p.journal)
		p.caller = dial(t, p.address)
		p.caller.say(request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}).pdu(typeAssociateRQ))
		require.Equal(t, []byte{0, 2, 3, 1}, p.caller.hear(typeAssociateRJ))
		select {
		case c := <-p.targets: // it may have been dialled
			n, _ := c.Read(make([]byte, 1))
			require.Zero(t, n, "not one byte")
		default:
		}
	}
}
