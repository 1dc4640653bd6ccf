// Package ca is the certification authority: it decides what may be signed, and
// signs it. It remembers nothing and listens to nobody; see packages store and
// enroll for that.
//
// A certificate comes into being in three steps, and the types make them
// unskippable:
//
//	Identity + Request  →  Policy.Decide  →  Grant  →  Authority.Issue
//
// [Authority.Issue] accepts only a [Grant], only [Policy.Decide] makes one, and
// the certificate is handed out only after the caller's commit function has
// recorded it. Nothing else in this package signs a certificate, but [Create],
// which makes the authority itself, and [Authority.IssueResponder], whose
// certificates answer for others' revocation and identify nobody.
//
// # Trust
//
// A [Request] is data from a stranger. Only its public key and its names can
// reach a certificate, the names once the role has covered every one of them;
// usages and lifetime are ours. An [Identity] is a claim that an authenticator
// in package enroll has already proved. A [Policy] is a file that an operator
// wrote: trusted to mean what it says, not to be well-formed.
//
// # Concurrency
//
// Every type here is safe for concurrent use once made: ID, Request, Policy and
// Grant never change, and an [Authority] shares nothing but its signer.
package ca
