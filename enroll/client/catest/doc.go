// Package catest is a certificate authority for tests of what talks to one: it
// answers the native API over real TLS, keeps everything in memory, and can be
// told to misbehave. It decides no policy and is no safe place for a key: the
// real one is the daemon's.
package catest
