// Package store remembers: identities, tokens, certificates, revocations, the
// policy, and the audit log of everything that changed them. It is one SQLite
// file, or a PostgreSQL database that several daemons share. It signs no
// certificate and decides nothing; see packages ca and enroll for that.
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
// are not met fails alone. [DB.UpdateAlone] is the form for the few that must
// read inside their transaction.
//
// # What is durable when
//
//	Update, UpdateAlone   when they return nil; not if they return an error,
//	                      except [ErrUnknown], which says that nobody knows
//	Relaxed               soon after it returns; an order of writes is kept
//	the log's head        with every Update, in the same transaction
//	a signed checkpoint   first in the evidence file (fsynced), then here
//	CRL numbers           when reserved: a crash skips numbers, never repeats one
//
// SQLite runs in WAL mode with synchronous=FULL. On PostgreSQL the durability is
// the server's: it must run with fsync=on, and Update asks for
// synchronous_commit=on whatever the server's default is.
//
// # Time and names
//
// Times are stored as Unix milliseconds. An identity is known by its path,
// "role/name"; what a path may look like is decided in package ca.
package store
