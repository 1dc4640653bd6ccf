// Package peertest gives tests a CA in their own process, for whoever builds on
// package revoke/peer: it makes identities, revokes them, and serves lists, the
// stream and OCSP on the loopback, all within milliseconds. It is no CA for anything
// else: it keeps its keys in memory, asks nobody who he is, and forgets all when the
// test ends.
//
//	ca := peertest.New(t)
//	pump := ca.Identity("device/pump-1")
//	p, err := peer.Open(ctx, peer.Config{Source: pump, State: t.TempDir(), Allow: []string{peertest.Everyone}})
//	...
//	ca.Revoke(pump)
package peertest
