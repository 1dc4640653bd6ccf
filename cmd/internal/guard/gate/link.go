package gate

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// Why the guard ends a connection, as records say it.
const (
	Revoked    = "revoked"
	Expired    = "expired"
	Unknown    = "revocation unknown" // lists are too old, and OCSP does not answer
	Idle       = "idle"
	TooOld     = "too old"
	NotAllowed = "no longer allowed" // by rules that changed since
	Draining   = "draining"          // the guard stops, or the route was changed
)

// A Link is one caller's connection. Its methods may be called concurrently.
type Link struct {
	// Conn is the caller's side, above TLS, whose handshake is done. Beside what a
	// net.Conn has, there are CloseWrite and NetConn.
	Conn   net.Conn
	Caller Caller
	TLS    *tls.ConnectionState // of the caller's side; nil in client mode, where the target's counts
	Route  *Route
	Begin  time.Time

	caller  string // Caller.ID, as records have it
	moved   *conn
	touches atomic.Int64
	cancel  context.CancelFunc
	cutter  func() (reason string, cut bool)

	lasts atomic.Pointer[func() bool]

	mu      sync.Mutex
	reason  string   // "": the guard did not end it
	target  allow.ID // who answered, in client mode
	dialled net.Conn // the last that Dial returned
	targets []func() (reason string, cut bool)
}

// NewLink makes the link of a connection, and the context that [Gate.Serve] gets with
// it, which ends with [Link.End]. why, unless nil, tells whether and why somebody else
// cut c, as revocation does. The caller of NewLink calls End in any case.
func NewLink(ctx context.Context, r *Route, c net.Conn, who Caller, state *tls.ConnectionState, why func() (reason string, cut bool)) (context.Context, *Link) {
	moved := &conn{Conn: c}
	l := &Link{Conn: moved, Caller: who, caller: who.ID.String(), TLS: state, Route: r, Begin: r.Now(), moved: moved, cutter: why}
	ctx, l.cancel = context.WithCancel(ctx)
	return ctx, l
}

// goodbye is how long a gate has to say in its protocol that a connection ends.
const goodbye = 2 * time.Second

// End ends the connection. With a reason it is the guard that does, and the first
// reason is the one that [Link.Why] tells; "" is for a connection that is over. The
// context that Serve was given ends. The caller's side is closed at once, or, where
// nothing is wrong with who is there (Idle, TooOld, NotAllowed, Draining), when Serve
// has returned, but after two seconds at the latest.
func (l *Link) End(reason string) {
	l.mu.Lock()
	if l.reason == "" {
		l.reason = reason
	}
	l.mu.Unlock()
	switch reason {
	case "":
		l.cancel()
		l.moved.Conn.Close()
	case Idle, TooOld, NotAllowed, Draining:
		l.cancel()
		time.AfterFunc(goodbye, l.drop)
	default:
		l.drop() // before Serve can say a word to him
		l.cancel()
	}
}

// drop closes the caller's side below TLS, which waits for nobody.
func (l *Link) drop() {
	if secure, ok := l.moved.Conn.(*tls.Conn); ok {
		secure.NetConn().Close()
		return
	}
	l.moved.Conn.Close()
}

// breakOff resets the caller's side of what did not come to its end, so that he cannot
// take it for the end: an end of TCP without a goodbye of TLS is one to many, crypto/tls
// among them.
func (l *Link) breakOff() {
	reset(l.moved.Conn)
	l.drop()
}

// Why reports whether the guard ended the connection, and why.
func (l *Link) Why() (reason string, cut bool) {
	l.mu.Lock()
	reason, targets := l.reason, l.targets
	l.mu.Unlock()
	if reason != "" {
		return reason, true
	}
	if l.cutter != nil {
		if reason, cut = l.cutter(); cut {
			return reason, true
		}
	}
	for _, why := range targets {
		if reason, cut = why(); cut {
			return reason, true
		}
	}
	return "", false
}

// Dial reaches the target for this link alone, so that Why knows of it.
func (l *Link) Dial(ctx context.Context) (*Target, error) {
	t, err := l.Route.Dial(ctx, l)
	if err == nil {
		l.mu.Lock()
		l.dialled = t.Conn
		if t.Why != nil {
			l.targets = append(l.targets, t.Why)
		}
		l.mu.Unlock()
	}
	if err != nil {
		l.Route.Meter.dialFailed()
	}
	return t, err
}

// Met says who answered at the target, which records tell instead of its address.
func (l *Link) Met(id allow.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = id
}

// met returns the SPIFFE ID of who answered; "": nobody has, or an application did.
func (l *Link) met() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target.String()
}

// Touch says that the link is in use. From the first Touch on the idle clock goes by
// that alone, so that what only keeps a connection open (a PING of HTTP/2) does not
// count as use.
func (l *Link) Touch() { l.touches.Add(1) }

// Lasts says that the link is one access from now on, about which nothing more will be
// asked: when allowed says no, the guard ends it as [NotAllowed]. It is called about once
// a second.
func (l *Link) Lasts(allowed func() bool) { l.lasts.Store(&allowed) }

// Allowed reports whether what the link lasts for is still allowed; of one that is asked
// about again and again it is.
func (l *Link) Allowed() bool {
	allowed := l.lasts.Load()
	return allowed == nil || (*allowed)()
}

// Bond returns what keys the digests of this link: of the caller's TLS, or in client mode
// of the target's. t may be nil in server mode. Where there is no TLS that both ends
// can export keys from, it is one that nobody shares.
func (l *Link) Bond(t *Target) record.Bond {
	state := l.TLS
	if state == nil && t != nil {
		state = t.TLS
	}
	if state != nil {
		if bond, err := record.Binding(*state); err == nil {
			return bond
		}
	}
	return record.Unbound()
}

// Moves returns a number that changes when the link is used.
func (l *Link) Moves() int64 {
	if n := l.touches.Load(); n > 0 {
		return -n // never one of the others
	}
	return l.moved.in.Load() + l.moved.out.Load()
}

// Bytes returns how many came from the caller, and went to it, above TLS.
func (l *Link) Bytes() (in, out int64) { return l.moved.in.Load(), l.moved.out.Load() }

// Decide asks the rules, and fills in the request's listener. Of its outcomes, Allowed
// and Observed let through; Refused does not.
func (l *Link) Decide(asked *allow.Request) (rule string, outcome record.Outcome) {
	if l.Route.Rules == nil {
		return "", record.Allowed
	}
	asked.Listener = l.Route.Name
	rule, allowed := l.Route.Rules().Decide(l.Caller.ID, asked)
	switch {
	case allowed:
		return rule, record.Allowed
	case l.Route.Observes():
		return "", record.Observed
	}
	return "", record.Refused
}
