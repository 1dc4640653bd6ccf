// Package store remembers: identities, tokens, certificates, revocations, ACME
// accounts and orders, the policy, and the audit log of everything that changed
// them. It is one SQLite file, or a PostgreSQL database that several daemons share.
// It signs no certificate and decides nothing; see packages ca and enroll for that.
//
// # Writing
//
// There are two kinds of write, and no third:
//
//	[DB.Update]   what history is made of: audited, on disk when it returns
//	[DB.Relaxed]  what a crash may lose: consistent, not audited
//
// An Update collects demands in a [Tx]: statements, each with the rows that it
// must change and the error that any other number means. They are sent once the
// caller's function has returned, together with those of every other call that
// waits at that moment, in one transaction with one fsync. A call whose demands
// are not met fails alone, and has left no trace. [DB.UpdateAlone] is the form for
// the few that must read inside their transaction.
//
// # What is durable when
//
//	Update, UpdateAlone   when they return nil. If they return an error nothing of
//	                      the call was recorded; only [ErrUnknown] says that nobody
//	                      knows
//	the log's entry       with what it records, in one transaction
//	a signed checkpoint   when it is in the store and, fsynced, in the evidence
//	                      file; before that nobody gets to see it
//	CRL numbers           when reserved: a crash skips numbers, and repeats none
//	Relaxed               a moment after it returns; a crash may lose the newest,
//	                      never one and not those after it
//
// SQLite runs in WAL mode with synchronous=FULL. On PostgreSQL the durability is
// the server's: it must run with fsync=on. A commit waits for its disk whatever
// the server's default is, and for its standbys if that is the default.
//
// Of ACME, accounts are history, and orders, authorizations and challenges are
// Relaxed and pruned; but an order is completed in the Update that records its
// certificate. Nonces are in memory, or on PostgreSQL in a table that a crash of
// the server empties: it costs the nonces of before, and lets none be used twice.
//
// # What leaves when
//
//	certificates          90 days after they ended, with their lineage and the word that
//	                      they were in use; [Retention] has the settings
//	revocations           545 days after their certificate ended, and never before it
//	                      has left
//	tokens                30 days after they could be spent for the last time
//	ACME                  orders and authorizations a day after they expired, orders
//	                      with a certificate after 30 days and not before it has ended
//	entries of the log    six years after they were made, or later, into the archive:
//	                      files that verify by themselves, and with the rest as one log
//	                      (see [DB.ArchiveLog])
//
// All else stays: identities, accounts, the keys that were ever certified (so that none
// comes back as somebody else's), policies, relying parties, and of the log its tiles,
// checkpoints and wrapped data keys. What leaves goes in small batches, found by an
// index, and a run is one entry of the log. Of a serial that was purged the store knows
// nothing: [DB.Status] tells it from one that was never issued by the time that serials
// begin with.
//
// # Several processes
//
// One process writes to an SQLite file. Any number may share a PostgreSQL
// database: what a decision rests on is locked until it is recorded, and one lock,
// taken last, makes them append to one log.
//
// # A full disk
//
// Nothing is recorded, and [DB.Health] says so, until there is room again. Only
// UpdateAlone goes on, in 64 MiB that are kept for it beside an SQLite file,
// because it is how certificates are revoked.
//
// # Time and names
//
// Times are stored as Unix milliseconds. An identity is known by its path,
// "role/name"; what a path may look like is decided in package ca.
package store
