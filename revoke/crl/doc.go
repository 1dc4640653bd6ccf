// Package crl writes and reads certificate revocation lists, full and delta, and
// keeps what a relying party knows of them. It fetches, publishes and schedules
// nothing, and takes no number: those are given to it.
//
// The lists are those of RFC 5280, Section 5, in DER. Those that are meant for everyone
// are complete for their issuer: they carry no issuing distribution point, since small
// peers refuse, or worse ignore, a list that does. A shard carries one, and never
// passes for the complete list: [State] knows none.
//
// # Issuer
//
// [Collect] takes what is revoked from an iterator, and [Encode] signs and writes it,
// a million entries in less than a second and in no more memory than the [Set] takes.
// [Verify] reads it back.
//
// # Relying party
//
// [Open] is the only way to a [List]: it returns none whose signature it did not
// verify. [State.Accept] says whether a list is newer than what is known, and
// [State.Lookup] whether a certificate is revoked.
//
// # Concurrency
//
// Serial, Entry, Set, List and State never change once made, and are safe for
// concurrent use.
package crl
