// Package peer is the relying party: TLS between machines that believes nobody
// who was revoked. It gives out a tls.Config for servers and for clients, keeps
// the issuer's revocation list fresh over a stream, on disk for restarts, and cuts
// connections that are open at the moment the list names their certificate. It
// enrols and renews nothing: see package enroll/agent, whose Agent is a [Source].
//
//	id, err := agent.Start(ctx, agent.Config{Dir: "/var/lib/pump", URL: url})
//	p, err := peer.Open(ctx, peer.Config{Source: id, State: "/var/lib/pump/peer",
//		Allow: []string{"spiffe://hospital.example/device/*"}})
//	listener, err := p.Listen("tcp", ":8443")
//	err = http.Serve(listener, handler)
//
// # Whom it lets in
//
// A certificate that chains to the Source's roots, is in time and for this use,
// whose SPIFFE ID a pattern of [Config.Allow] names, and which is not revoked:
//
//	in the list                             refused, however old the list is
//	not in a list younger than MaxAge       let in
//	otherwise                               OCSP is asked, with a nonce: only "good" lets in
//
// The question is asked anew on each connection, resumed TLS sessions included.
// Whatever cannot be found out is a refusal: it fails closed.
//
// # While the CA is away
//
// Peers go on as long as their lists are younger than MaxAge and nextUpdate, after
// a restart too. Then connections are refused, and those that are open are cut.
//
// It imports the standard library only, and the three pure packages beside it.
package peer
