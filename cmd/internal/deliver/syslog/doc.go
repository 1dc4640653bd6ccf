// Package syslog sends records to an audit record repository as IHE ITI-20 has it: DICOM
// audit messages, or lines of JSON, in syslog frames over TLS (RFC 5425). It offers neither
// UDP nor TCP without TLS, to nobody: what it sends names people and machines.
//
// # What is taken
//
// Syslog has no acknowledgement, and a write that succeeded says only that our own kernel has
// the bytes. Under TLS 1.3 not even a receiver that refuses our certificate is noticed by
// writing. So that nothing is lost,
//
//   - a reader waits on the connection all the time: an alert, a reset, an end, or any answer
//     at all ends the connection, and what was not settled is sent again;
//   - a new connection is left alone for a second before the first record: a receiver that
//     refuses us closes it then;
//   - records count as taken once the receiver's kernel has acknowledged their last byte,
//     and nothing was heard for a fifth of a second after that;
//   - what counted as taken, but may still have been in the receiver's buffers, is kept, the
//     last 8 MiB of it, and each new connection begins with it. That is more than the kernel
//     of a receiver holds unread (Linux: tcp_rmem, 6 MiB).
//
// So receivers get some records twice, and in a repeat old ones after new ones: never is a
// record first seen before one that the log has before it. A repeat has the same auditId
// ([atna.Message.ID]), log and number as the first.
//
// One case is left: if we die, and then the receiver with records unread. The numbers of
// each log have no gaps: what is missing shows, and FHIR, which acknowledges, has no such case.
//
// # What a receiver has to do
//
// What it does with records that it has read is its own affair. rsyslog, for one, cuts
// messages at 8 KiB and keeps them in memory, if nobody tells it otherwise:
//
//	global(maxMessageSize="64k")
//	module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1"
//	       streamDriver.authMode="x509/name" permittedPeer=["betonica.hospital.example"])
//	template(name="raw" type="string" string="%rawmsg%\n")
//	ruleset(name="audit" queue.type="Direct") {
//	  action(type="omfile" file="/var/log/audit/betonica.log" template="raw"
//	         action.resumeRetryCount="-1" action.resumeInterval="1")
//	}
//	input(type="imtcp" port="6514" ruleset="audit")
//
// With a direct queue it reads no more than it has written. (The driver ossl of Debian 12's
// rsyslog, 8.2302, lets certificates in, now and then, that permittedPeer does not name; gtls
// does not.)
//
// When its disk is full, omfile drops what it cannot write, whatever resumeRetryCount says,
// and no sender can know (measured with 8.2302): watch that disk. An action that asks
// whether a line is on disk, such as omprog with confirmMessages="on" and a program that
// answers OK once it is, waits; we wait for it then, and nobody else does.
package syslog
