// Package revoke is the validation authority: it ends certificates, and tells the
// world. One command ends an identity on every path; a full CRL, a cumulative
// delta CRL pushed over a stream, and OCSP say so in the formats that every peer
// reads. It issues nothing, and asks nobody who he is: see packages enroll and
// cmd/internal/admin for that. The other side, a peer that believes none but
// these, is package revoke/peer.
//
//	[Revoker]    takes away, in one audited transaction
//	[Publisher]  signs the lists, full, delta and shards, and streams the deltas
//	[Mirror]     keeps what is published as files, for a web server or a CDN
//	[Responder]  answers OCSP
//
// What relying parties say that they enforce is heard by package revoke/enforcement.
//
// # The order of things
//
// A revocation is committed first, with its CRL number; then the OCSP answers, of
// every process, forget what they said of it; then the call returns. The delta CRL
// follows within milliseconds, the full one when its turn comes. A failure to
// sign a list never undoes a revocation: the next list carries it.
//
// # Lists
//
// No list is served that was not linted before it was signed, and read back after
// it. Where one fails, the last good one stays, and Health says why. An entry leaves
// after the list that was published past its certificate's notAfter (RFC 5280,
// Section 3.3). Shards, where they are wanted, are signed together with the full
// list, and have its number.
//
// # Numbers
//
// Full and delta CRLs of one issuer draw from one sequence. A revocation takes
// its number in its transaction, heartbeats take theirs from a block that was
// reserved durably before, and a revocation goes past the rest of that block: so
// a number never comes back, not after a crash either.
//
// # Several processes
//
// On a PostgreSQL database that several processes share, one of them signs each
// list, and all serve it, byte for byte. Whoever revoked signs the delta at once; the
// others, if none has come after 300 ms. The eldest signs heartbeats and full lists;
// the others, if those are late. Any of them may die at any moment.
//
//   - Each list reserves a number, for itself alone, before it reads what was
//     revoked: it holds all that was revoked with a lower number.
//   - A list is on record before anybody gets it, and gets to nobody if a newer one
//     is: numbers are unique, and rise for a peer that moves between processes.
//   - What is on record is verified before it is served. What is none of ours, or is
//     in another one's place, is refused, and a new list takes its place.
//   - Deltas build on a new full list only once all have had the time to serve it.
//   - A process that may not know of what others revoke ([store.DB.Lapsed]) answers
//     OCSP with tryLater, signs nothing, and its streams are silent.
package revoke
