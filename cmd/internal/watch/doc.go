// Package watch runs the rules of package alert over the CA's log and over what guards
// shipped of theirs, and puts on record what comes of it. It makes no rule, and sends no
// alert anywhere: that is for whoever reads the log's entries about alerts.
//
//	EntriesAfter, journals  →  alert.Of  →  Engine.Observe  →  DB.RecordAlerts
//	what no entry says      →  measure   ↗                    (row, entry and place, at once)
//
// # One of several
//
// The eldest of the daemons on a database has the watch. Whoever takes it raises a number
// in the database, the epoch, and every step names its own: one that lost the watch and does
// not know it yet records nothing.
//
// # What a crash leaves
//
// A step is the changes of some alerts, their entries in the log, and how far each log was
// read for them, in one transaction. What the rules have learned is kept beside it, every ten
// minutes and at the end, with the place that each log was read to then. Who begins restores
// that, goes in silence through what was read between it and the last step, takes the open
// alerts from the database, and goes on behind the last step: nothing is passed over, and what
// is on record is not opened again. A count may be one too high for it. Whatever goes wrong
// with a step, a disk that is full or a connection that is lost, it is begun so again.
//
// # Clocks
//
// Who asks for a certificate by the native API says what time his machine has, and so may a
// client of EST; how far a guard's clock is ahead shows by its records. Clients of ACME and of
// SCEP say nothing of theirs: the protocols have no place for it, and a wrong clock shows
// there only as a certificate that is renewed out of time.
//
// # Falling behind
//
// The watch reads in batches, behind what is written, and leaves the processors to those who
// enrol: however far behind it is, it rests three times as long as it works. So it takes in
// some ten thousand entries a second of a processor that does tens of thousands; in a rush of
// more it falls behind, which betonica_alert_behind_seconds tells. Where the two of them are due at once,
// the CA's own log comes first.
package watch
