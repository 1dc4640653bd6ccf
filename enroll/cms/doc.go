// Package cms encrypts messages to the holder of a certificate, by AES: EnvelopedData
// (RFC 5652, Section 6) with RSAES-OAEP (RFC 3560) or PKCS #1 v1.5 for RSA keys, and
// ephemeral-static ECDH (RFC 5753) for elliptic curves. It does not decrypt, and does not
// ask whose certificate it is.
//
// PKCS #1 v1.5 is what old clients can read, and nothing that NIST approves any more (SP
// 800-131A, Section 6): in FIPS 140-3 mode there is OAEP, or nothing.
package cms
