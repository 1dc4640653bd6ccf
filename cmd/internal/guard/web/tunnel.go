package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// switches reports whether the target's 101 is to what was asked for.
func (x *relay) switches(h http.Header) bool {
	return x.what.upgrade && strings.EqualFold(h.Get("Upgrade"), "websocket")
}

// tunnel passes a WebSocket on in both directions until the target has ended it, or the
// caller is gone. A caller who only has nothing more to say is waited for.
func (x *relay) tunnel() {
	w := x.w.(*answer)
	s := w.session
	x.mu.Lock()
	x.rec.Status = http.StatusSwitchingProtocols
	x.mu.Unlock()
	x.peer.link.Lasts(func() bool { return x.still(x.r, x.what.path) })
	x.whole(record.ToTarget)
	x.whole(record.FromTarget)
	s.watch.end()
	w.Header().Set("Upgrade", "websocket")
	w.WriteHeader(http.StatusSwitchingProtocols)
	w.Flush()

	target := &upgraded{origin: x.origin, access: x.access}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := io.Copy(target, struct{ io.Reader }{s.in})
		if err == nil {
			err = gate.CloseWrite(x.origin)
		}
		if err != nil {
			target.left.Store(true)
			x.abort()
		}
	}()
	io.Copy(s.wire, target)
	s.wire.Close()
	x.abort()
	<-done
}

// An upgraded is the connection to the target after 101.
type upgraded struct {
	origin *origin
	access *access
	left   atomic.Bool // the guard ended it, since the caller is gone
}

func (u *upgraded) Read(p []byte) (int, error) {
	n, err := u.origin.in.Read(p)
	u.access.got(p[:n])
	if err != nil && !errors.Is(err, io.EOF) && !u.left.Load() {
		u.access.fail("target", err)
	}
	return n, err
}

func (u *upgraded) Write(p []byte) (int, error) {
	n, err := u.origin.Write(p)
	u.access.sent(p[:n])
	u.access.fail("target", err)
	return n, err
}
