// Package guard stands before an application that knows nothing of TLS, of roles and of
// records, or beside a client of one, and does all of it for them. In server mode it
// lets in, over mutual TLS, whom the rules name and nobody revoked, and passes on what
// they are allowed; in client mode it takes what a program of this machine says, and
// brings it over mutual TLS to the one that the program means. Of each access there is a
// record, or there is no access.
//
// A [Guard] has routes: a listener, a protocol and what stands behind it. How a protocol
// is spoken, each [gate.Gate] knows; the guard accepts, authenticates, dials, ends what
// is idle or too old, reloads, drains and tells how it fares. Rules are package
// revoke/allow's, revocation is package revoke/peer's, and the journal is package
// store/audit/journal's. It certifies nobody, and judges no payload.
package guard
