// Package signed carries rules from the CA to a guard, and proves that they are the
// CA's: a [Statement] is signed with the key of the CA's own server, and whoever has the
// CA's root verifies it, now or from disk while the CA is away. It says nothing of
// whether a statement is the newest: a guard remembers the version that it has.
//
// The form is a JWS in compact serialization (RFC 7515), signed by ES256, with the chain
// of the server's certificate as x5c and a typ of its own. What that key signs besides is
// handshakes of TLS, which begin with 64 spaces (RFC 8446, Section 4.4.3): no signature
// can be taken for one of the other kind.
package signed
