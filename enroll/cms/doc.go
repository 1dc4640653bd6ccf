// Package cms encrypts messages to the holder of a certificate, by AES: EnvelopedData
// (RFC 5652, Section 6) with PKCS #1 v1.5 for RSA keys, and ephemeral-static ECDH (RFC
// 5753) for elliptic curves. It does not decrypt, and does not ask whose certificate it
// is.
package cms
