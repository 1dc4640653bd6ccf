// Package deliver hands the CA's audit log, and what guards shipped of theirs, to systems
// of somebody else's. It knows no format and no protocol: the packages below it are sinks,
// each for one receiver.
//
//	log, journals  →  Engine  →  Record  →  Sink  →  receiver
//	                    ↑
//	                  cursor
//
// # Nothing is lost, and nothing waits
//
// There is no queue: the log is one. The store keeps, for each sink and log, up to which
// entry the sink has taken it; the engine reads on from there, in reads of its own, and no
// commit knows of it. A sink that is down for a day costs a row of the store, and a batch
// of at most [Outlet.Batch] records in memory.
//
// The cursor moves after a sink has taken records, so whoever crashes between the two
// delivers them again, with the same ids. It moves by compare-and-swap, and only the
// eldest replica delivers: where two believe they are, records are repeated, and none is
// left out.
//
// # After a restore
//
// A backup has the cursors of its moment: what was delivered since and is in it comes again,
// with the ids that it had. What was delivered since and is lost stays with the receivers,
// who alone have it then; the entries that take its numbers have ids of their own, and the
// first of them says what was lost ("store.recover").
//
// # Receivers in trouble
//
// A receiver that does not answer, says that it is busy, or does not let us in is asked
// again, after pauses that grow to five minutes, for however long it lasts. One that
// understands a record and refuses it stops nobody: the record is passed over after
// [refusals] tries in a minute at least, with an entry of the log that names it. But a
// receiver that refuses everything would drain the log in an afternoon. So each record
// that is passed over in a row has to be refused for twice as long as the one before it,
// up to a day: that is enough time to see the alarm, and no receiver is stuck for ever.
// An entry that tells of such a refusal makes no other one when it is refused itself.
package deliver
