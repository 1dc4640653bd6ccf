// Package client is a thin client of the native enrolment API: it finds the CA,
// makes sure that it is the CA, and carries one request at a time to it.
//
// The first contact knows nothing but the fingerprint in a join token:
// [Bootstrap] fetches the root over a connection that proves nothing, keeps it
// only if its hash is the fingerprint, and connects again, verified this time.
// From then on a [Trust] decides: a server is our CA if its certificate chains
// to the pinned root and its one URI SAN is spiffe://<trust domain>/ca/<name>.
// DNS names do not matter, so that a machine may reach its CA by whatever
// address works. A token or a client certificate goes to no other server.
//
// Answers are bounded in size and time, redirects are not followed, and a
// certificate is handed on only after it was checked to be the one that was
// asked for. What the package does not do is decide when to ask, keep anything
// on disk, or try again: package agent does.
package client
