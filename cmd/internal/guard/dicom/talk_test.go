package dicom

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/revoke/allow"
)

// A talker is one end of an association that a test plays itself.
type talker struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, address string) *talker {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	return newTalker(t, c)
}

func newTalker(t *testing.T, c net.Conn) *talker {
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { c.Close() })
	return &talker{c, t}
}

// say writes bytes; that nobody reads them any more is for hear to find out.
func (k *talker) say(all ...[]byte) { k.Write(bytes.Join(all, nil)) }

// hear reads the next PDU, which is of type t, and returns what follows its header.
func (k *talker) hear(t pduType) []byte {
	k.t.Helper()
	h, err := readHeader(k)
	require.NoError(k.t, err)
	body, err := h.body(k)
	require.NoError(k.t, err)
	require.Equal(k.t, t, h.Type, "%x", body)
	return body
}

// silence: the other end closes without another word.
func (k *talker) silence() {
	k.t.Helper()
	rest, err := io.ReadAll(k)
	if err == nil {
		require.Empty(k.t, rest)
	}
}

// message reads one message, put together, and its data set.
func (k *talker) message() (command, []byte) {
	k.t.Helper()
	c, in := k.commandOnly()
	var data []byte
	for last := !c.Data; !last; {
		part, _, err := in.next()
		require.NoError(k.t, err)
		require.False(k.t, part.Command)
		data, last = append(data, part.Data...), part.Last
	}
	return c, data
}

// commandOnly reads the command set of a message, and returns what reads its data set.
func (k *talker) commandOnly() (command, *fragments) {
	k.t.Helper()
	in := &fragments{r: k}
	raw, last := []byte(nil), false
	for !last {
		part, h, err := in.next()
		require.NoError(k.t, err)
		require.Equal(k.t, typeData, h.Type)
		require.True(k.t, part.Command)
		raw, last = append(raw, part.Data...), part.Last
	}
	c, err := parseCommand(raw)
	require.NoError(k.t, err)
	return c, in
}

// pdata is a P-DATA-TF of one fragment.
func pdata(context byte, isCommand, last bool, data []byte) []byte {
	return fragment{Context: context, Command: isCommand, Last: last, Data: data}.appendPDU(nil)
}

// asks is the command set of a request; a data set follows if data.
func asks(f field, id uint16, class string, data bool) []byte {
	return commandSet(func(b []byte) []byte {
		b = appendElement(b, elementAffectedClass, evenUID(class))
		b = appendShort(b, elementField, uint16(f))
		b = appendShort(b, elementID, id)
		b = appendShort(b, elementDataSetType, dataSetType(data))
		return appendElement(b, elementAffectedInstance, evenUID("1.2.3.4.5"))
	})
}

// answers is the command set of a response.
func answers(f field, id uint16, class string, status uint16, data bool) []byte {
	return commandSet(func(b []byte) []byte {
		b = appendElement(b, elementAffectedClass, evenUID(class))
		b = appendShort(b, elementField, uint16(f|responseBit))
		b = appendShort(b, elementRespondedTo, id)
		b = appendShort(b, elementDataSetType, dataSetType(data))
		return appendShort(b, elementStatus, status)
	})
}

// cancels is the command set of a C-CANCEL.
func cancels(id uint16) []byte {
	return commandSet(func(b []byte) []byte {
		b = appendShort(b, elementField, uint16(cancel))
		b = appendShort(b, elementRespondedTo, id)
		return appendShort(b, elementDataSetType, noDataSet)
	})
}

func dataSetType(data bool) uint16 {
	if data {
		return 1
	}
	return noDataSet
}

func commandSet(fill func([]byte) []byte) []byte {
	rest := fill(nil)
	n := len(rest)
	return append(appendElement(nil, elementGroupLength, []byte{byte(n), byte(n >> 8), 0, 0}), rest...)
}

// A played association is one whose both ends a test plays.
type played struct {
	*guarded
	targets        chan net.Conn
	caller, target *talker
}

// play starts a gate with rules about the modality, whose target the test plays.
func play(t *testing.T, rules ...allow.Rule) *played {
	t.Helper()
	l := gatetest.Listen(t)
	p := &played{guarded: plain(t, l.Addr().String(), rules...), targets: make(chan net.Conn, 16)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.targets <- c
		}
	}()
	return p
}

// reached is the target's end of the newest association.
func (p *played) reached(t *testing.T) *talker {
	t.Helper()
	select {
	case c := <-p.targets:
		return newTalker(t, c)
	case <-time.After(patience):
		t.Fatal("the target is not asked")
		return nil
	}
}

// open has both ends agree on an association, and returns what the target was asked
// for and what the caller was answered.
func (p *played) open(t *testing.T, a *association) (proposed, replied *association) {
	t.Helper()
	p.caller = dial(t, p.address)
	p.caller.say(a.pdu(typeAssociateRQ))
	p.target = p.reached(t)
	proposed, err := parseAssociation(typeAssociateRQ, p.target.hear(typeAssociateRQ))
	require.NoError(t, err)
	p.target.say(granting(proposed).pdu(typeAssociateAC))
	replied, err = parseAssociation(typeAssociateAC, p.caller.hear(typeAssociateAC))
	require.NoError(t, err)
	return proposed, replied
}

// granting accepts all that was proposed.
func granting(proposed *association) *association {
	a := *proposed
	a.Contexts = nil
	for _, c := range proposed.Contexts {
		a.Contexts = append(a.Contexts, presentation{ID: c.ID, Transfers: c.Transfers[:1]})
	}
	a.User = user{MaxLength: 16384, parts: proposed.User.parts[:2]}
	return &a
}

// release has the caller release the association, and both ends close.
func (p *played) release() {
	p.caller.t.Helper()
	p.caller.say(frame(typeReleaseRQ, make([]byte, 4)))
	p.target.hear(typeReleaseRQ)
	p.target.say(frame(typeReleaseRP, make([]byte, 4)))
	p.caller.hear(typeReleaseRP)
	p.caller.Close()
	p.target.silence()
}
