// Package validate fetches what an ACME client put up to show that it controls
// an identifier: the http-01 and dns-01 challenges of RFC 8555 (Sections 8.3 and
// 8.4) and tls-alpn-01 of RFC 8737, for DNS names and, by RFC 8738, for IP
// addresses. Begin with [New] and [Validator.Validate]. It neither remembers nor
// decides anything: which challenge is due, and what a proof is worth, is package
// acme's business.
//
// # Where it connects
//
// Every connection is made on a stranger's word, so this package owns the way
// from a name to a socket. A name is resolved once for each connection, every
// address is held against [Config.AllowNetworks], and the address that was
// checked is the one that is dialled: an answer that changes in between changes
// nothing. Redirects take the same way. No proxy is used, whatever the
// environment says.
//
// # What it tells
//
// An [*Error] never carries anything that was read from a connection: no body, no
// header, no redirect's target, no certificate, no address. A validator that
// quotes what it fetched is a way to read what only the CA's host can reach.
// What remains is one bit: whether something answered at the configured ports. In
// a network where that matters, set AllowNetworks.
package validate
