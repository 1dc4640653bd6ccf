// Package dicom is the guard's gate for DICOM: it decides about associations and about
// each operation on them by AE titles, SOP classes and commands, and keeps a record of
// each (PS3.7 and PS3.8). It stores nothing, reads no data set and opens no association
// of its own.
//
// # What is refused, and how
//
//	calling AE title                    A-ASSOCIATE-RJ, permanent, user, 3
//	called AE title                     A-ASSOCIATE-RJ, permanent, user, 7
//	a presentation context              result 1 (user rejection) in the A-ASSOCIATE-AC; the target is not asked for it
//	all presentation contexts           A-ASSOCIATE-RJ, permanent, user, 1
//	a command                           a response of status 0124 (not authorized); the target sees neither it nor its data set
//	no record, or no target             A-ASSOCIATE-RJ, transient, presentation, 1; later A-ABORT
//	malformed, before the association   A-ASSOCIATE-RJ of the provider; A-ABORT where it is no request at all
//	malformed, on the association       A-ABORT of the provider, to both ends
//
// A C-CANCEL goes with its request. What the target asks of the caller is refused but
// for N-EVENT-REPORT, if a rule names it for the caller, and for the C-STOREs within a
// C-GET that is under way, if a rule allows the caller C-GET on the class of what is
// sent: who may retrieve says nothing of who may store.
//
// # What goes through
//
// Association requests are read whole, at most 128 KiB, and written anew: without
// padding, reserved bytes and unknown items. Asynchronous operations windows, roles,
// extended negotiations and the user identity, passwords too, pass: they are between
// the caller and the application, under TLS; none of them is on record.
//
// Command sets, at most 16 KiB, are read whole, and go on as they came. Data sets go on
// as they come: at most 64 KiB of a direction are held while it moves, and 1 KiB while
// it does not. A presentation data value that is longer goes on in several, and each in
// a P-DATA-TF of its own, which is never longer than the one that it came in.
//
// # Records
//
// One when an association begins, on disk before the target is asked, and one when it
// ends; one more if contexts were refused. One of each operation, on disk before the
// last piece of its last response goes on. Its digests are over the fragments of the
// request's command and data set, and of those of all responses, in their order and
// without headers. It names SOP classes, never an instance, and of a C-MOVE the AE title
// that the target is told to send to: rules do not judge that one, the target does.
package dicom
