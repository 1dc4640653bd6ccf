package gate

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// A Route is a listener of the guard and what stands behind it. It is not changed while
// links have it: a reload makes another one.
type Route struct {
	Name   string      // of the listener, as rules and records call it
	Target string      // what stands behind it, as records call it
	Side   record.Side // where the guard stands
	Guard  string      // SPIFFE ID of this machine
	Limits Limits

	// Observe lets through what the rules refuse, and has it recorded; Observing, unless
	// nil, says the same of this moment, for all routes that go by the same rules.
	Observe   bool
	Observing func() bool

	// Rules returns what is allowed at this moment. It is nil on the client's side,
	// where everything is: the other end judges.
	Rules func() allow.Set

	// Dial reaches the target. Where Proxied is false, l may be nil, for connections
	// that several links share. Whoever dials closes the target.
	Dial func(ctx context.Context, l *Link) (*Target, error)

	// DialHTTP2 is Dial to a target of TLS that is offered HTTP/2 alone (ALPN "h2"), where
	// Dial offers HTTP/1.1 alone. It is nil where the target has no TLS, or is no
	// server of HTTP.
	DialHTTP2 func(ctx context.Context, l *Link) (*Target, error)

	// Proxied says that each connection begins with a PROXY protocol header about l's
	// caller, so that no other link may use it: see [Target.Begin].
	Proxied bool

	// LaxEnd takes the end of TCP for the end of what a connection of TLS says, though
	// TLS did not say so. Gates of protocols that show their own end need not ask.
	LaxEnd bool

	Records record.Keeper
	Meter   *Meter
	Log     *slog.Logger
	Now     func() time.Time

	// Drain is closed when the route ends. Connections have a grace after that.
	Drain <-chan struct{}
}

// Observes reports whether what the rules refuse is let through at this moment.
func (r *Route) Observes() bool { return r.Observe || r.Observing != nil && r.Observing() }

// Limits say when a connection is ended though nobody did anything wrong; 0: never.
type Limits struct {
	Idle time.Duration // after so long without a byte, or without a [Link.Touch]
	Age  time.Duration // so long after it began
}

// A Target is a connection to what stands behind a route.
type Target struct {
	net.Conn
	ID  allow.ID             // who is there; zero in server mode
	TLS *tls.ConnectionState // nil in server mode

	// Why reports whether and why the guard ended the connection: the target was
	// revoked, or its certificate expired. It is nil in server mode.
	Why func() (reason string, cut bool)
}

// CloseWrite ends the direction to the target.
func (t *Target) CloseWrite() error { return CloseWrite(t.Conn) }
