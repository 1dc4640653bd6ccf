// Package journal keeps the log of package audit in plain files, without a database:
// what a machine writes down by itself. It is one writer's; anybody who may read the
// files verifies them while it runs. It knows nothing of what the events are about, and
// sends nothing anywhere: see [Reader.Batch] for who does.
//
//	Open  →  Append  →  (files)  →  OpenReader  →  audit.Verify, audit.Export
//
// # The folder
//
//	lock                   held by the writer (flock)
//	origin                 the journal's name for ever: whose it is, and random digits
//	master                 the secret that all its keys come from, 0600; may lie elsewhere
//	keys                   data keys, wrapped, a line each; a new one with each file of leaves
//	statement              the machine's certificate says that the checkpoints' key is its
//	000000000001.leaves    frames (see [audit.AppendFrame]), named after the first entry
//	tiles.0, tiles.1, ...  complete tiles by level, one behind the other
//	checkpoints            signed, a line each
//	ballast                room for the entries that say that there was none
//
// # Durability
//
// [Journal.Append] returns when the entry is on disk (fdatasync). Those that wait
// together share one write and one sync, and while more are coming than are waiting, the
// next sync begins 5 ms after the one before: see pace.go. With Config.Lazy it returns
// when the kernel has the entry, and a loss of power takes at most the last second.
//
// A process that is killed leaves at most a part of an entry at the end, which nobody was
// told is there: the next Open cuts it off, and says so in an entry, "journal.recovered".
// Anything else that is not as it was written is [ErrDamaged], and nothing is written over
// it.
//
// After an fsync that failed nobody can say what is on disk, and the next one succeeds
// over the hole. So nothing is accepted any more, the file is cut back to what an earlier
// fsync vouched for and read again from the disk, and the journal goes on in a new file,
// with the entries that were accepted since. See mend.go.
//
// # Trouble
//
// [Journal.Ready] says whether an entry can be kept: if it cannot, what would be on record
// must not happen. With Config.BestEffort it may, uncounted by no one: how many entries
// are missing, and from when to when, is the next entry that can be written,
// "journal.gap".
package journal
