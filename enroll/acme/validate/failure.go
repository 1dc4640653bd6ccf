package validate

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// connectionError says in our words why a connection did not come to be, or
// broke. What is an Error already, stays what it is.
func connectionError(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	detail := "the connection broke before there was an answer"
	switch {
	case timedOut(err):
		detail = "there was no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		detail = "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET):
		detail = "the connection was reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		detail = "there is no route to the host"
	}
	return &Error{Kind: KindConnection, Detail: detail, Err: err}
}

// handshakeError does the same for a TLS handshake.
func handshakeError(err error) error {
	if timedOut(err) || errors.Is(err, syscall.ECONNRESET) {
		return connectionError(err)
	}
	return &Error{Kind: KindTLS, Detail: "the TLS handshake failed", Err: err}
}

// dnsError does the same for a query.
func dnsError(what string, err error) error {
	detail := "the resolver could not say " + what
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		detail = "there is no record of " + what
	} else if timedOut(err) {
		detail = "the resolver did not answer in time for " + what
	}
	return &Error{Kind: KindDNS, Detail: detail, Err: err}
}

func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// incorrect returns the error for an answer that is not what is demanded.
func incorrect(detail string) error { return &Error{Kind: KindIncorrectResponse, Detail: detail} }
