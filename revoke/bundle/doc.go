// Package bundle keeps the full revocation list of every CA in one PEM file, for
// servers that know of revocation only what a file says: nginx, HAProxy,
// PostgreSQL, Mosquitto, Apache and the like.
//
//	k, err := bundle.New(bundle.Config{Path: "/etc/pump/chain.crl.pem", Machine: chainAndRoots, Changed: reload})
//	err = k.Run(ctx)
//
// It waits for each issuer's next delta, and fetches the lists anew once one names
// a certificate that they do not: so the file follows a revocation within about a
// second.
//
// # What is written
//
// Only what an issuer has signed whose own certificate chains to the machine's
// roots, and never a list older than the one in the file, after a restart either.
// A list that is no longer served stays as long as its issuer's certificate is
// valid, and a file that lacks a CA of the machine's own chain is not written at
// all: most servers would then refuse everyone.
//
// The file is replaced at one stroke; after a crash it is the old one or the new.
// A list past its nextUpdate is told of and stays: what it revokes is revoked, and
// servers that look at the time refuse everyone, as they should.
//
// It imports the standard library and package crl.
package bundle
