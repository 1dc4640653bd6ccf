package dicom

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/cmd/internal/record"
)

// Whoever ends an association first, the other end hears of it, and the record says how.
func TestEnds(t *testing.T) {
	under := func(t *testing.T) *played {
		p := play(t, anything([]string{verification}, "C-ECHO"))
		p.open(t, request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}))
		p.caller.say(pdata(1, true, true, asks(cEcho, 1, verification, false)))
		p.target.message()
		return p
	}
	for name, tt := range map[string]struct {
		end     func(p *played)
		outcome record.Outcome
		reason  string
	}{
		"target dies": {func(p *played) { p.target.Close(); p.caller.hear(typeAbort) }, record.Failed, "target: left without a release"},
		"caller dies": {func(p *played) { p.caller.Close(); p.target.hear(typeAbort) }, record.Failed, "caller: left without a release"},
		"caller aborts": {func(p *played) {
			p.caller.say(frame(typeAbort, []byte{0, 0, 0, 0}))
			p.target.hear(typeAbort)
			p.caller.silence()
		}, record.Failed, "caller: aborts: source 0, reason 0"},
		"target aborts": {func(p *played) {
			p.target.say(frame(typeAbort, []byte{0, 0, 2, 6}))
			require.Equal(p.caller.t, []byte{0, 0, 2, 6}, p.caller.hear(typeAbort))
		}, record.Failed, "target: aborts: source 2, reason 6"},
		"idle":    {func(p *played) { p.link().End(gate.Idle); p.caller.hear(typeAbort); p.target.hear(typeAbort) }, record.Cut, gate.Idle},
		"too old": {func(p *played) { p.link().End(gate.TooOld); p.caller.hear(typeAbort); p.target.hear(typeAbort) }, record.Cut, gate.TooOld},
		"revoked": {func(p *played) { p.link().End(gate.Revoked); p.caller.silence(); p.target.hear(typeAbort) }, record.Cut, gate.Revoked},
	} {
		t.Run(name, func(t *testing.T) {
			p := under(t)
			tt.end(p)
			for _, operation := range []string{"C-ECHO", "close"} {
				r := p.journal.Nth(t, operation, 1)
				require.Equal(t, tt.outcome, r.Outcome, operation)
				require.Equal(t, tt.reason, r.Reason, operation)
				require.Equal(t, operation == "C-ECHO", r.Request != record.Digest{}, "the whole request passed")
				require.Zero(t, r.Response, "no response did")
			}
		})
	}
}

// A target that does not read holds up nothing but its own association, and not beyond
// its end.
func TestStuckTarget(t *testing.T) {
	p := play(t, anything([]string{ctStorage}, "C-STORE"))
	p.open(t, request(presentation{ID: 1, Abstract: ctStorage, Transfers: []string{implicitLE}}))
	p.caller.say(pdata(1, true, true, asks(cStore, 1, ctStorage, true)))
	p.target.commandOnly()
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		for pdu := pdata(1, false, false, make([]byte, 16000)); ; {
			p.caller.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := p.caller.Write(pdu); err != nil {
				return
			}
		}
	}()
	<-stuck
	p.link().End(gate.TooOld)
	for _, operation := range []string{"C-STORE", "close"} {
		require.Equal(t, gate.TooOld, p.journal.Nth(t, operation, 1).Reason)
	}
}

// A route that ends lets what is under way finish, and then says goodbye.
func TestDrain(t *testing.T) {
	p := play(t, anything([]string{verification}, "C-ECHO"))
	p.open(t, request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}))
	p.caller.say(pdata(1, true, true, asks(cEcho, 1, verification, false)))
	p.target.message()
	close(p.drain)
	p.target.say(pdata(1, true, true, answers(cEcho, 1, verification, 0, false)))
	p.caller.message()
	p.caller.hear(typeAbort)
	p.target.hear(typeAbort)
	require.Equal(t, record.Allowed, p.journal.Nth(t, "C-ECHO", 1).Outcome)
	closed := p.journal.Nth(t, "close", 1)
	require.Equal(t, []any{record.Cut, gate.Draining}, []any{closed.Outcome, closed.Reason})
}

// Both ends may ask for the release at once, and each gets its reply.
func TestReleaseCollision(t *testing.T) {
	p := play(t, anything([]string{verification}, "C-ECHO"))
	p.open(t, request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}))
	ask, reply := frame(typeReleaseRQ, make([]byte, 4)), frame(typeReleaseRP, make([]byte, 4))
	p.caller.say(ask)
	p.target.say(ask)
	p.caller.hear(typeReleaseRQ)
	p.target.hear(typeReleaseRQ)
	p.caller.say(reply)
	p.target.hear(typeReleaseRP)
	p.target.say(reply)
	p.caller.hear(typeReleaseRP)
	p.caller.Close()
	require.Equal(t, record.Allowed, p.journal.Nth(t, "close", 1).Outcome)

	p.open(t, request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}))
	p.target.say(ask) // the target may ask alone
	p.caller.hear(typeReleaseRQ)
	p.caller.say(reply)
	p.target.hear(typeReleaseRP)
	p.caller.silence()
	p.target.Close()
	require.Equal(t, record.Allowed, p.journal.Nth(t, "close", 2).Outcome)
}

// What the target answers is judged like what the caller asks.
func TestTargetAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(proposed *association) []byte
		want   pduType
		reason string
	}{
		"a rejection":     {func(*association) []byte { return rejection{1, 1, 7}.pdu() }, typeAssociateRJ, "target: rejects: result 1, source 1, reason 7"},
		"an abort":        {func(*association) []byte { return abortUnspecified.pdu() }, typeAbort, "target: aborts: source 2, reason 0"},
		"nothing":         {func(*association) []byte { return nil }, typeAssociateRJ, "target: left without a release"},
		"something else":  {func(*association) []byte { return []byte("HTTP/1.1 400") }, typeAssociateRJ, "target: PDU type 0x48"},
		"data":            {func(*association) []byte { return pdata(1, true, true, asks(cEcho, 1, verification, false)) }, typeAssociateRJ, "target: PDU of type 0x04 for an answer"},
		"endless data":    {func(*association) []byte { return append([]byte{4, 0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 1<<20)...) }, typeAssociateRJ, "target: PDU of type 0x04 for an answer"},
		"what is not its": {func(a *association) []byte { b := granting(a); b.Contexts[0].ID = 9; return b.pdu(typeAssociateAC) }, typeAssociateRJ, "target: answer to presentation context 9, which was not proposed so"},
		"another syntax": {func(a *association) []byte {
			b := granting(a)
			b.Contexts[0].Transfers = []string{"1.2.3"}
			return b.pdu(typeAssociateAC)
		}, typeAssociateRJ, "target: answer to presentation context 1, which was not proposed so"},
		"too little": {func(a *association) []byte {
			b := granting(a)
			b.Contexts = b.Contexts[:1]
			return b.pdu(typeAssociateAC)
		}, typeAssociateRJ, "target: no answer to presentation context 3"},
	} {
		t.Run(name, func(t *testing.T) {
			p := play(t, anything([]string{verification, ctStorage}, "C-ECHO"))
			p.caller = dial(t, p.address)
			p.caller.say(echoAndStore().pdu(typeAssociateRQ))
			target := p.reached(t)
			proposed, err := parseAssociation(typeAssociateRQ, target.hear(typeAssociateRQ))
			require.NoError(t, err)
			target.say(tt.answer(proposed))
			target.Conn.(*net.TCPConn).CloseWrite()
			p.caller.hear(tt.want)
			closed := p.journal.Nth(t, "close", 1)
			require.Equal(t, record.Failed, closed.Outcome)
			require.Equal(t, tt.reason, closed.Reason)
		})
	}
}

// A target that is not there is a transient rejection.
func TestNoTarget(t *testing.T) {
	l := gatetest.Listen(t)
	l.Close()
	g := plain(t, l.Addr().String(), anything([]string{verification}, "C-ECHO"))
	caller := dial(t, g.address)
	caller.say(request(presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}}).pdu(typeAssociateRQ))
	require.Equal(t, []byte{0, 2, 3, 1}, caller.hear(typeAssociateRJ))
	require.Equal(t, record.Failed, g.journal.Nth(t, "open", 1).Outcome)
}

// A caller that does not say what it wants is let go when its time is over.
func TestARTIM(t *testing.T) {
	for _, begin := range [][]byte{nil, {1}, echoAndStore().pdu(typeAssociateRQ)[:40]} {
		g := plain(t, "127.0.0.1:1")
		g.set(func() { g.artim = 50 * time.Millisecond })
		caller := dial(t, g.address)
		caller.say(begin)
		_, err := io.ReadAll(caller)
		require.NoError(t, err)
		r := g.journal.Nth(t, "open", 1)
		require.Equal(t, record.Failed, r.Outcome)
		require.Contains(t, r.Reason, "no association was asked for within 50ms")
	}
}
