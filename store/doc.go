// Package store remembers: identities, tokens, certificates, revocations, ACME
// accounts and orders, the policy, and the audit log of everything that changed
// them. It is one SQLite file, or a PostgreSQL database that several daemons share.
// It signs no certificate and decides nothing; see packages ca and enroll for that.
//
// # Writing
//
// There are three kinds of write, and no fourth:
//
//	[DB.Update]   what history is made of: audited, on disk when it returns
//	[DB.Durable]  others' history, which has a log of its own: on disk, not audited
//	[DB.Relaxed]  what a crash may lose: consistent, not audited
//
// An Update collects demands in a [Tx]: statements, each with the rows that it
// must change and the error that any other number means. They are sent once the
// caller's function has returned, together with those of every other call that
// waits at that moment, in one transaction with one fsync. A call whose demands
// are not met fails alone, and has left no trace. [DB.UpdateAlone] is the form for
// the few that must read inside their transaction. Where one daemon writes to a PostgreSQL
// database, what machines mostly do goes there whole, with its entries and the COMMIT. If
// the connection is lost meanwhile, and nothing of it is there, the entry store.reconnect
// keeps out what the server might still hear of it, before it is made again.
//
// Reads have connections of their own, wait for no write, and see what was committed when
// they began. On a server the lookups by which enrolments and renewals begin are gathered as
// writes are: those that wait at one moment share a query.
//
// # What is durable when
//
//	Update, UpdateAlone   when they return nil. If they return an error nothing of
//	                      the call was recorded; only [ErrUnknown] says that nobody
//	                      knows
//	Durable               when it returns nil; what [ErrUnknown] says may be repeated
//	the log's entry       with what it records, in one transaction
//	a signed checkpoint   when it is in the store and, fsynced, in the evidence
//	                      file; before that nobody gets to see it
//	CRL numbers           when reserved: a crash skips numbers, and repeats none
//	a revocation          with its Update, as anything; and when that returns, every
//	                      process has applied it or has no lease (below)
//	who is there          not at all: a crash of the server empties the table of
//	                      replicas, and each writes its row again
//	notices               not at all: [DB.Notify] is best effort
//	alerts                with their entries, and with how far the log was read for them; what
//	                      the watch has learned, every ten minutes: it learns the rest again
//	deliveries            a moment after: what a crash loses of them is delivered again
//	Relaxed               a moment after it returns; a crash may lose the newest,
//	                      never one and not those after it
//
// SQLite runs in WAL mode, and a commit is on disk when the write-ahead log has been synced.
// The store does that itself (SQLite has synchronous=NORMAL, by which it syncs the log before
// it copies from there), so that the statements of the next batch run meanwhile; they are
// committed when it has ended. Reads see a commit at once, and return when it is on disk; only
// those that decide about a write return before, since that write is on disk no sooner. What
// another process reads may be that moment younger, unless it copies the store or verifies the
// log: then it syncs what it has read first. If the
// sync fails the batch behind it is undone, and made again after what follows (see below).
// What is copied from there into the file is synced in the background, and before that the
// log does not begin anew. On PostgreSQL the durability is
// the server's: it must run with fsync=on. A commit waits for its disk whatever
// the server's default is, and for its standbys if that is the default. At size its
// defaults are too small: after each checkpoint PostgreSQL writes every page that changes
// whole once more, and serials, keys and the log's blind indexes change pages at random.
// From 100,000 entries on it wants max_wal_size = 4GB, checkpoint_timeout = 15min and
// wal_compression = lz4 (or on) at least, shared_buffers that hold the indexes, autovacuum, and
// max_connections for the pools of all daemons; betonicad doctor looks at them. With pg_prewarm
// in shared_preload_libraries a server that was restarted reads by itself what it had in memory,
// not while machines wait: with ten million certificates, and nothing in memory, they enrol at
// four tenths of the rate at first.
//
// Of ACME, accounts are history, and orders, authorizations and challenges are
// Relaxed and pruned; but an order is completed in the Update that records its
// certificate. Nonces are in memory, or on PostgreSQL in a table that a crash of
// the server empties: it costs the nonces of before, and lets none be used twice.
//
// # What leaves when
//
//	certificates          90 days after they ended, or as long as any may still be renewed
//	                      ([DB.KeepExpired]), with their lineage and the word that they
//	                      were in use; [Retention] has the settings
//	revocations           545 days after their certificate ended, and never before it
//	                      has left
//	tokens                30 days after they could be spent for the last time
//	requests              for approval, a day after they lapsed
//	ACME                  orders and authorizations a day after they expired, orders
//	                      with a certificate after 30 days and not before it has ended
//	entries of the log    six years after they were made, or later, into the archive:
//	                      files that verify by themselves, and with the rest as one log
//	                      (see [DB.ArchiveLog])
//	records of guards     six years after they came, or as [Retention] says, and not before
//	                      they were delivered ([DB.RetireJournals], [DB.KeepFor])
//	alerts                400 days after they were resolved; their entries stay in the log
//	relying parties       30 days after they said what they enforce for the last time
//
// All else stays: identities, accounts, the keys that were ever certified (so that none
// comes back as somebody else's), policies, what two people agreed on, powers, how far
// deliveries are, and of the log its tiles, checkpoints and wrapped data keys. Of entries, what
// is in the archive can still be delivered. What leaves goes in small batches, found by an
// index, and a run is one entry of the log. The file of an SQLite store gives the room
// back while nobody writes; one that was made before files could is written anew at the
// next migration, if the disk has room for that. Of a serial that was purged the store knows
// nothing: [DB.Status] tells it from one that was never issued by the time that serials
// begin with.
//
// # Backup, restore, recovery
//
// [MakeCopy] copies a store of one moment beside a daemon that runs. What is restored
// from it ([RestoreFile], [RestoreDump]) has forgotten what was revoked since, and so
// has an older copy that somebody puts back. So a store is known by a name that lies in
// it and beside its keys, and says whether it was restored; checkpoints in the evidence
// and revocation lists that we signed show the rest. [Judge] puts all of it together,
// and a store that it stops opens only to be recovered:
//
//	BeginRecovery   numbers go above all that may have been signed; marked until the end
//	Replay          what lists show is revoked again, known to the store or not
//	EndRecovery     the log owns up to the loss, in the evidence first; another name;
//	                unused tokens are void
//
// What people agreed on and did not do is denied then, powers are over, and alerts go on with
// greater numbers. Deliveries go on from where they were: see package deliver. Keys lie in the
// store as the log's key sealed them, which never changes: every copy opens with it.
//
// A crash at any point leaves a store that is to be recovered still. A daemon that runs
// stops by [DB.Prove] when somebody brings a list of a number that was never reserved.
//
// # Several processes
//
// One process writes to an SQLite file. Any number may share a PostgreSQL
// database: what a decision rests on is locked until it is recorded, and one lock,
// taken last, makes them append to one log. Where several write at the same time they
// take turns in making batches, so that each holds all that waits when its turn comes;
// no promise rests on that, and none waits for its turn longer than 250 ms.
//
// Each of them has a lease of 500 ms to answer from memory about certificates. It
// counts from the moment at which the process asked the database what was revoked, on
// its own monotonic clock: so 500 ms after a revocation was committed whoever still
// has a lease has heard of it (see [DB.OnRevoked]), and who has none says so with
// [DB.Lapsed]. That rests on no other clock, on no notice that arrives and on no table
// that is right.
//
//	every 150 ms, and     write the own row in the table replicas, then read what was
//	at once on a NOTIFY   revoked, call the hooks, extend the lease
//	then, if there was    write the own row again and NOTIFY that it is applied
//	anything
//
// A call that revokes waits, after its commit and without holding up the writer, until
// the table says that all others have applied it, which takes a few milliseconds; at
// most 520 ms, when no lease can be left. Each of them writes its row before it asks,
// so that the table shows all who may have a lease. A session that is younger than a
// lease does not believe the table: a crash of the server may just have emptied it.
//
// The server's clock says who is listed as live and who started first, the wall clocks
// of processes say nothing. The eldest (see [DB.Eldest]) does what one should do.
// NOTIFY and a session of its own take a direct connection, or a pooler that pools
// sessions.
//
// # New versions
//
// Each migration says in its first line whether it expands the schema, so that
// programs of before go on beside the new one, or contracts it. A program is refused
// with [ErrNewerSchema] if it is older than the last contraction, and a contraction with
// [ErrOlderReplica] while a live replica is older than it. A replica that comes back
// from the network after a contraction writes nothing any more.
//
// A migration copies a store that holds something first, into [Config.BackupDir]: of an
// SQLite file on a file system that shares blocks (XFS, Btrfs) in no time and, as long as
// the two are alike, in no room; otherwise it is refused with [ErrDiskFull] if there is
// not room for all of it and 128 MiB, and the store stays as it was. The copy is called
// betonica-schemaNNNN-TIME.db (.dump of PostgreSQL) after the schema that it has. To go
// back to the version of before is to put it in the place of the store, and to recover
// what was revoked since. Nothing else reads it, and nothing but the operator removes it;
// what leaves the store does not leave it.
//
// # A full disk
//
// Nothing is recorded, and [DB.Health] says so, until there is room again. Only
// UpdateAlone goes on, in 64 MiB that are kept for it beside an SQLite file,
// because it is how certificates are revoked.
//
// # A disk that fails
//
// After an fsync that failed, the kernel may have dropped what it could not write,
// and the next one succeeds: SQLite would go on over a hole. So everything is refused,
// revoking too, until the frames of the write-ahead log and the pages that were copied
// from it have been written anew, synced and read back; then the store goes on by
// itself. If they are not there any more, it says so and stays shut. A damaged page
// fails the reads that meet it, and from then on only revoking is tried. Files that
// were moved away or replaced are missed before the next transaction. [Trouble] names
// each of these, and what to do.
//
// # A clock that is wrong
//
// While the clock is more than 5 minutes behind the log's newest entry, has jumped
// against the monotonic one, or differs from the database server's, nothing but
// revocations is recorded.
//
// # Time and names
//
// Times are stored as Unix milliseconds. An identity is known by its path,
// "role/name"; what a path may look like is decided in package ca.
package store
