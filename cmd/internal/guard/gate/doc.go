// Package gate is what the guard and the protocols that it understands have to say to
// each other. A [Gate] speaks one protocol and is given a [Link]: one caller's
// connection, already authenticated, with who it is, what the rules of this moment say,
// how to reach the target, and where to keep the record. [TCP] is the plainest one.
//
// It listens nowhere, speaks no TLS and ends no connection for being idle or too old:
// package guard does, and says why through [Link.Why].
package gate
