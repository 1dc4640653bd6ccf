package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/peer"
)

// Handshakes are bounded, and so are those from one address: who dawdles, or begins
// many, keeps nobody else out.
const (
	handshakeWithin = 10 * time.Second
	maxHandshakes   = 512
	maxFromOne      = 64
)

var (
	errBusy = errors.New("too many handshakes are under way")
	errSlow = fmt.Errorf("the handshake was not over within %v", handshakeWithin)
)

// handshake authenticates a caller and fills in who it is. One that is refused is on
// record.
func (s *served) handshake(c net.Conn, who *gate.Caller) (*tls.Conn, *tls.ConnectionState, error) {
	g := s.guard
	from, ok := g.handshakes.enter(c)
	if !ok {
		s.refused(*who, errBusy)
		return nil, nil, errBusy
	}
	defer g.handshakes.leave(from)
	ctx, cancel := context.WithTimeoutCause(s.ctx, g.handshakeWithin, errSlow)
	defer cancel()
	secure := tls.Server(g.peer.Follow(c), s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = context.Cause(ctx)
		}
		*who = caller(*who, secure.ConnectionState())
		if !knock(err, *who) && s.ctx.Err() == nil {
			s.refused(*who, err)
		}
		return nil, nil, err
	}
	state := secure.ConnectionState()
	*who = caller(*who, state)
	return secure, &state, nil
}

// caller reads who is there from his certificate.
func caller(who gate.Caller, state tls.ConnectionState) gate.Caller {
	who = gate.Caller{Address: who.Address}
	if len(state.PeerCertificates) > 0 {
		cert := state.PeerCertificates[0]
		who.Certificate, who.Serial = cert, fmt.Sprintf("%032x", cert.SerialNumber)
		who.ID, _ = allow.IDOf(cert)
	}
	return who
}

// authenticated reports whether an identity is proved though it was refused: it is not
// where the certificate is not of our CA, or was not shown at all.
func authenticated(err error) bool {
	return errors.Is(err, peer.ErrRevoked) || errors.Is(err, peer.ErrNotAllowed) || errors.Is(err, peer.ErrUnknown) || errors.Is(err, errNotAdmitted)
}

// knock reports whether a caller went away before he showed who he is: a port that is
// looked at, not a machine that is refused.
func knock(err error, who gate.Caller) bool {
	return who.Certificate == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET))
}

func serialText(c *tls.Certificate) string {
	if c.Leaf == nil {
		return ""
	}
	return fmt.Sprintf("%032x", c.Leaf.SerialNumber)
}

func addressText(c net.Conn) string {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.String()
	}
	return "unix"
}
