package dicom

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// FuzzGate: whatever a caller sends on an association, the target reads a well-formed
// stream in which there is no command but those that the rules allow, and nothing of
// the stream gets into a record but UIDs.
func FuzzGate(f *testing.F) {
	store := asks(cStore, 1, ctStorage, true)
	f.Add(pdata(1, true, true, asks(cEcho, 1, verification, false)))
	f.Add(append(pdata(3, true, true, store), pdata(3, false, true, []byte("image "))...))
	f.Add(append(pdata(3, true, false, store[:40]), pdata(3, true, true, store[40:])...))
	f.Add(append(pdata(1, true, true, asks(nDelete, 7, verification, false)), frame(typeReleaseRQ, make([]byte, 4))...))
	f.Add(frame(typeAbort, []byte{0, 0, 0, 0}))
	set, err := allow.NewSet(anything([]string{verification}, "C-ECHO"), rule("store", allow.DICOMRule{SOPClasses: []string{ctStorage}, Commands: []string{"C-STORE"}}))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, stream []byte) {
		caller, above := net.Pipe()
		below, target := net.Pipe()
		j := gatetest.NewRecords()
		ctx, l := gate.NewLink(context.Background(), &gate.Route{
			Name: "fuzz", Side: record.Server, Records: j, Meter: new(gate.Meter), Log: slog.New(slog.DiscardHandler), Now: time.Now,
			Rules: func() allow.Set { return set },
			Dial:  func(context.Context, *gate.Link) (*gate.Target, error) { return &gate.Target{Conn: below}, nil },
		}, above, gate.Caller{ID: modality}, nil, nil)
		var running sync.WaitGroup
		running.Go(func() {
			defer l.End("")
			Gate{}.Serve(ctx, l)
		})
		running.Go(func() { io.Copy(io.Discard, caller) })
		running.Go(func() {
			caller.Write(echoAndStore().pdu(typeAssociateRQ))
			caller.Write(stream)
			caller.Close()
		})
		heard := hearAll(target)
		target.Close()
		running.Wait()
		require.NotContains(t, heard, "malformed")
		for _, said := range heard {
			require.Contains(t, []string{"C-ECHO", "C-STORE", "data", "C-CANCEL", "release", "abort"}, said)
		}
		for _, r := range j.All() {
			require.Contains(t, []string{"open", "close", "C-ECHO", "C-STORE", "C-FIND", "C-GET", "C-MOVE", "N-EVENT-REPORT", "N-GET", "N-SET", "N-ACTION", "N-CREATE", "N-DELETE"}, r.Operation)
		}
	})
}

// hearAll accepts an association, and returns what is said on it, in order.
func hearAll(target net.Conn) (heard []string) {
	asked, _, err := read(target)
	if err != nil {
		return []string{"malformed"}
	}
	if _, err := target.Write(granting(asked).pdu(typeAssociateAC)); err != nil {
		return nil
	}
	in := fragments{r: target, limit: 16384}
	var command []byte
	for {
		part, h, err := in.next()
		switch {
		case asFault(err) != nil:
			return append(heard, "malformed")
		case err != nil:
			return heard
		case h.Type == typeAbort:
			return append(heard, "abort")
		case h.Type == typeReleaseRQ:
			heard = append(heard, "release")
			io.CopyN(io.Discard, target, 4)
		case h.Type != typeData:
			return append(heard, "malformed")
		case !part.Command:
			heard = append(heard, "data")
		default:
			if command = append(command, part.Data...); !part.Last {
				continue
			}
			c, err := parseCommand(command)
			if err != nil {
				return append(heard, "malformed")
			}
			heard, command = append(heard, c.Field.String()), nil
		}
	}
}
