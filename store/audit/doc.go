// Package audit is the log: what an entry is, how it is sealed, and how anyone
// proves that the log is the one that was written. Use it in this order:
//
//	Event  →  Sealer.Seal  →  Record  →  Tree.Append  →  checkpoint.Sign
//
// and, for those who doubt us,
//
//	Source  →  Verify  →  Report            Source  →  Export  →  VerifyBundle
//
// It holds no SQL and no files: package store keeps rows, tiles and checkpoints,
// and shows them as a [Source].
//
// # Entries
//
// An entry is one blob, its leaf. Number, time and action are in clear; the rest
// is sealed with AES-256-GCM under a key of that entry alone, which is derived
// from a data key and the number. So an export can hand out the keys of some
// entries, and destroying a data key makes its entries unreadable while the tree
// over the leaves stays as it was. A leaf commits to its key: it opens to one text
// only, even for the log's owner. Who and whom are found again by blind indexes,
// keyed hashes that are part of the leaf.
//
// # The tree
//
// Leaves hang in a Merkle tree (RFC 6962, Section 2) that only grows. Its root,
// signed, is a checkpoint: see package checkpoint. Complete tiles of 256 hashes
// are stored; the right edge is made anew from rows and tiles.
//
// # What is proved, and what is not
//
// Someone who owns the database but none of the log's keys cannot edit, add, move
// or delete an entry unnoticed, except for cutting off the end after the last
// checkpoint: [Report.Tail] names those entries. Putting back an older copy of the
// whole database, checkpoints included, shows only against checkpoints that were
// kept elsewhere: in the evidence file, by agents, in exports. The same is true of
// root on the log's own host, who holds the log's keys and can write any history,
// but cannot make it agree with what was signed before. A blind index shows which
// entries share a party, though not which party. And the log tells only what it
// was told.
package audit
