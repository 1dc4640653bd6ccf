// Package peer is the relying party: TLS between machines that believes nobody
// who was revoked. It gives out a tls.Config for servers and for clients, keeps
// issuers' revocation lists fresh over streams, on disk for restarts, and cuts
// connections that are open at the moment a list names their certificate. It
// enrols and renews nothing: see package enroll/agent, whose Agent is a [Source].
//
//	id, err := agent.Start(ctx, agent.Config{Dir: "/var/lib/pump", URL: url})
//	p, err := peer.Open(ctx, peer.Config{Source: id, State: "/var/lib/pump/peer",
//		Allow: []string{"spiffe://hospital.example/device/*"}})
//	listener, err := p.Listen("tcp", ":8443")
//	err = http.Serve(listener, handler)
//
// Tests of programs that use it have a CA in package peertest; package peermetrics
// shows Prometheus what it knows.
//
// # Whom it lets in
//
// A certificate that chains to the Source's roots, is in time and for this use,
// whose SPIFFE ID a pattern of [Config.Allow] names, and which is not revoked:
//
//	in the list                             refused, however old the list is
//	not in a list younger than MaxAge       let in
//	otherwise, with an OCSP staple in time  what that says, if it is younger than MaxAge
//	otherwise                               OCSP is asked, with a nonce: only "good" lets in
//
// The question is asked anew on each connection, resumed TLS sessions included, and
// of each certificate in the chain but the root. Whatever cannot be found out is a
// refusal: it fails closed.
//
// # How fast
//
// A revoked certificate is refused, and its connections are cut, milliseconds after
// the CA signed the delta that names it, where the stream is up. Behind a proxy that
// holds the stream back a long poll does the same; it takes over after three
// heartbeats. When a relay fails or holds back, the next address has its turn after
// three heartbeats, 30 s by default. Whoever blocks all ways to the CA gains MaxAge
// from the last list, 4 h by default, and raises an alarm ([Silent]) within three
// heartbeats: then connections are refused, and those that are open are cut within
// 20 s.
//
// A revoked intermediate is another matter, for the root's list has no stream: it is
// fetched from all addresses hourly, and as soon as any issuer's stream ends or is
// silent for three heartbeats, and again when it is back, at most every 10 s. So a
// root's list is enforced within the hour, and at once where the CA ends the fallen
// issuer's streams.
//
// # Several issuers
//
// It judges the certificates of any intermediate that a root of the Source signed,
// from the first connection that shows one: OCSP decides until the list is there,
// which takes one fetch. It follows the streams of at most 16 issuers, roots
// included, and knows them again after a restart. Where there are more, the one that
// nobody needed for longest is forgotten; while all were needed within a minute, OCSP
// decides about the others, and looks at their open connections every 10 s. One that
// nobody needed for an hour and whose list is too old is forgotten, too. When the
// machine's own certificate is renewed under another intermediate, that one is
// followed within a second.
//
// # While the CA is away
//
// Peers go on as long as their lists are younger than MaxAge and nextUpdate, after
// a restart too.
//
// # Relays
//
// A list is as good from a neighbour as from the CA, since its signature and its
// number are verified. [Peer.Relay] serves what is held, [Config.Relays] asks others
// before the CA. A relay can withhold, and nothing else: what it makes up, changes or
// replays is not taken.
//
// # What it costs
//
// 35 bytes of memory for each revoked certificate, 0.35 MB for 10,000, and the same
// once more while a full list is read, beside the list itself: at most
// [Config.MaxList], and one long list at a time. On the disk the lists, 36 to 49 bytes
// for each revoked certificate. One stream for each issuer in use, and one report to
// the CA a minute, or after a delta that names somebody. At most 64 OCSP questions are
// under way.
//
// It imports the standard library only, and the four pure packages beside it. With them
// come two that are as pure: x690, and ca/sha1name.
package peer
