// Package demo plays the main job of Betonica on one machine, with real processes
// on the loopback, and says of each of ten steps what it saw: a CA, two pumps and
// a gateway that enrol, call each other and renew; one pump that is revoked, and
// refused everywhere; a CA that is gone, and a log that was tampered with.
//
// Every process is this same program: the daemon as init made it, run by serve,
// and the three machines, each a [Serve] that [Run] speaks to over its standard
// input and output. A machine is what a Go program of a user would be, an Agent of
// package agent with a Peer of package peer on top. What is not ours, a thief with
// a copied key, is crypto/tls alone.
//
// It proves nothing that the tests do not; it shows it. It decides nothing, and it
// touches no file but those of a temporary directory that it makes.
package demo
