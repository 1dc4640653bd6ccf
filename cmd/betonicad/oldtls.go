package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// takesOldTLS reports whether what listens at an address goes into a handshake of TLS 1.1
// (RFC 4346), or refuses it: by an alert, or by hanging up. It says hello by itself, since
// crypto/tls does not where FIPS 140-3 is in force, and reads no more than the beginning of
// the answer.
func takesOldTLS(ctx context.Context, address string) (bool, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end)
	}
	if _, err := conn.Write(oldHello()); err != nil {
		return false, err
	}
	// The record's type, version and length; the message's type and length; its version.
	var answer [11]byte
	switch n, err := io.ReadFull(conn, answer[:]); {
	case n > 0 && answer[0] == 21: // an alert
		return false, nil
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return false, nil
	case err != nil:
		return false, err
	case answer[0] == 22 && answer[5] == 2: // a ServerHello
		version := uint16(answer[9])<<8 | uint16(answer[10])
		return version <= 0x0302, nil
	}
	return false, fmt.Errorf("what answers at %s speaks no TLS", address)
}

// oldHello is the ClientHello of a program that speaks TLS 1.1 and nothing newer (RFC
// 4346, Section 7.4.1.2), with the key exchanges and curves that were usual then.
func oldHello() []byte {
	hello := []byte{3, 2}
	random := make([]byte, 32)
	rand.Read(random)
	hello = append(append(hello, random...), 0) // and no session
	suites := []byte{
		0xc0, 0x09, 0xc0, 0x0a, 0xc0, 0x13, 0xc0, 0x14, // ECDHE with AES and SHA-1
		0x00, 0x33, 0x00, 0x39, 0x00, 0x2f, 0x00, 0x35, // DHE and RSA
		0x00, 0xff, // renegotiation is secure (RFC 5746)
	}
	hello = append(append(hello, 0, byte(len(suites))), suites...)
	hello = append(hello, 1, 0) // no compression
	extensions := []byte{
		0, 10, 0, 8, 0, 6, 0, 23, 0, 24, 0, 29, // P-256, P-384, X25519
		0, 11, 0, 2, 1, 0, // points in full
	}
	hello = append(append(hello, 0, byte(len(extensions))), extensions...)
	message := append([]byte{1, 0, 0, byte(len(hello))}, hello...)
	return append([]byte{22, 3, 1, 0, byte(len(message))}, message...)
}
