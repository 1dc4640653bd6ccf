// Package sign makes and verifies signatures of HTTP requests (RFC 9421), with a digest
// of the body (RFC 9530), by the key of a machine's certificate. It knows the part of
// the RFCs that two guards need: one signature, of the label "betonica"; components
// without parameters; the algorithms ecdsa-p256-sha256, ecdsa-p384-sha384, ed25519 and
// rsa-pss-sha512; sha-256 as digest. It reads no body and sends nothing.
//
// The structured fields are read by hand: what of RFC 9651 two headers use is less than
// a library's interface, and a parser of strangers' bytes is one of those things that
// are to be ours.
package sign
