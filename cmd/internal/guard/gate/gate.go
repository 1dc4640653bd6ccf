package gate

import (
	"context"
	"crypto/x509"

	"github.com/betonica/betonica/revoke/allow"
)

// A Gate speaks one protocol on behalf of one route. It is called from many goroutines
// at once.
type Gate interface {
	// Serve serves one caller's connection, and returns when that is over. It decides
	// by [Link.Decide], keeps records by [Link.Keep] (without one there is no access),
	// and closes the targets that it dialled. The caller's side it leaves open: the
	// guard closes it.
	//
	// ctx ends when the guard ends the connection: Serve gives up whatever it waits for,
	// may say goodbye if the caller's side is still open (see [Link.End]), and takes the
	// outcome from [Link.Why]. Records are kept under another context than ctx. When
	// [Route.Drain] is closed, Serve finishes what is under way and begins nothing new.
	Serve(ctx context.Context, l *Link)
}

// A Caller is who is on the other end of a connection. In client mode that is this
// machine itself.
type Caller struct {
	ID          allow.ID
	Serial      string            // of the certificate, 16 octets in hex
	Address     string            // host:port; of a Unix socket: "unix"
	Certificate *x509.Certificate // nil in client mode
}
