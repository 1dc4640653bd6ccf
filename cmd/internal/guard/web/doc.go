// Package web is the guard's gate for HTTP: HTTP/1.1, HTTP/2, gRPC and WebSocket, on
// both sides. It lets through only requests that can be read in one way and that a rule
// allows, tells the application who asks, and keeps a record of each. It listens
// nowhere and ends no idle connection: see package guard.
//
// # The life of a request
//
//	shape      malformed, ambiguous or smuggling: 400
//	Ready      no record can be kept: 503, and the connection ends
//	foreign    beside a client, a page of another site in a browser: 403
//	Decide     no rule allows it: 403, or PERMISSION_DENIED of gRPC
//	signature  where the route wants one, and it does not verify: 401
//	forward    the target is not there: 502 or 504
//	open       where it may take long, there is a record of it from before that
//	Keep       the record is durable, or as the guard is set, before the response ends
//
// Nothing is buffered: bodies stream both ways, and trailers with them. The exceptions
// are the form of a FHIR search by POST, of at most 64 KiB, and the body of a signed
// request, which is spooled: see [Conf].
//
// # HTTP/1.1
//
// Callers of HTTP/1 are served by a session, and targets of HTTP/1.1 asked by a relay, both
// of this package, which read by package h1: one goroutine reads a request, decides, asks
// the target over a connection that it has for itself meanwhile, and answers, with one
// write each way where a message is small. A long body of a request has a goroutine of its
// own, since the answer may begin before it ends. Connections to targets wait in a pool
// for the next request; before that they are looked at: what was said on one that nobody
// asked for, or that it ended, is the end of it. HTTP/2 is net/http's, on either side.
//
// # While it is under way
//
// What is of more than 1 MiB, or of unknown length, as an export, events or a stream of
// gRPC are, has a record of its beginning, with no End, before the first byte of a request's
// body is with the target, or of a response's with the caller; unless the end is there
// together with it. All else has one once it takes 10 s. So a guard that is killed leaves a
// trace of what it let pass. If that record cannot be kept, nothing passes any more.
//
// # Before the response ends
//
// The last byte of a response leaves after its record was kept. Where the length is
// known, the chunk that completes it waits; where it is not, the end of the stream (the
// last chunk, END_STREAM, the trailers) does; where there is no body, the header does.
// If the record cannot be kept, the response is cut short, so that the caller knows
// that it is not whole; before the header it is a 503.
//
// # What a record does not know
//
// A caller may go away between its record and the last byte: the record says that the
// response went out. A digest is of a whole payload only; where it was refused, cut, or
// answered before its end, there is none. What net/http itself refuses of HTTP/2, such as
// a capital in a header's name, ends the stream without a record: it was no request.
// What a slow caller costs is bounded by the route's idle clock, but for headers, which
// have ten seconds. The ping of a WebSocket counts as use, one of HTTP/2 does not.
//
// # Pairs
//
// The client's guard sends Betonica-Record, a random number, and the server's guard takes
// it as the record's Number and away from the request: so both records of one request have
// the same Link and Number, and the same digests of its payloads.
package web
