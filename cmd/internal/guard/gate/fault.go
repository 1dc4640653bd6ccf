package gate

import (
	"errors"
	"io"
	"net"
)

// fault says whose side of a connection failed, in the few words that a record has room
// for: without the addresses, which it has already. A nil error stays nil.
func fault(side string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Fault{side, errors.New("ended without a goodbye")} // TLS without close_notify (RFC 8446, Section 6.1)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return &Fault{side, err}
}

// A Fault is what went wrong on one side of a connection.
type Fault struct {
	Side string // "caller" or "target"
	Err  error
}

func (f *Fault) Error() string { return f.Side + ": " + f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }
