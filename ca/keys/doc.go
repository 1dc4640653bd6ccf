// Package keys opens the private keys of the authority by reference, writes them
// encrypted, and seals the daemon's other secrets under them. It does not sign,
// and it knows nothing of certificates.
//
// A key lies on disk as encrypted PKCS #8 (RFC 5958) under a passphrase that lies
// elsewhere: on another device, or with the service manager. Opening one costs a
// tenth of a second of PBKDF2, once a start; so every other secret of the daemon
// is sealed under the opened key with a [Sealer], not encrypted by a passphrase
// again. A key in a PKCS #11 token never is in this process, and seals nothing: then
// another key under the passphrase does.
package keys
