// Package acme is the ACME server: RFC 8555, with renewal information (RFC 9773),
// IP identifiers (RFC 8738), tls-alpn-01 (RFC 8737), profiles
// (draft-ietf-acme-profiles) and device-attest-01 (draft-ietf-acme-device-attest).
// It speaks the protocol and nothing else: who may have what is package enroll's
// to say, control of a name is shown to package validate or attest, and what must
// be remembered is package store's.
//
// A request becomes an answer in four moves:
//
//	parseJWS         bounded body, one signature, an algorithm that is listed
//	authenticate     url, key (jwk or kid), strength of the key, signature, nonce
//	a page           newOrder, finalize, ...: asks the store and the Registrar
//	reply            JSON, a chain in PEM, or a problem; and a fresh nonce
//
// # Without a challenge
//
// An account that was made with a token (external account binding) is bound to
// the token's identity for good. Orders for names that the identity covers are
// born ready: newOrder, finalize, certificate. Every other name takes a challenge
// and policy's consent.
//
// # What is durable
//
// Accounts, their keys and certificates are on disk, and in the audit log, before
// the answer. Orders, authorizations and challenges may be lost in a crash: clients
// begin anew. Nonces of one process are void for the next, except on PostgreSQL.
package acme
