// Package mllp stands between systems that exchange HL7 v2 messages: it decides each
// message by its type, answers in HL7's own words those that may not pass, and keeps a
// record of every one. Of a message it reads the header and, of an answer, the MSA
// segment; what is about a patient it neither reads nor keeps.
//
// # Blocks
//
// The transport is MLLP release 1 (HL7 v2.5.1, Appendix C, Section 4): <VT> content <FS>
// <CR>. Of release 2 the commit blocks, <ACK> and <NAK>, are passed on. See [Reader] for
// what is tolerated around blocks. A message of up to 64 KiB reaches the target only when
// all of it is there and its block was ended; a longer one streams, and if it then turns
// out to be malformed, the connection to the target ends without an end of block.
//
// # Deciding
//
// Rules name MSH-9.1 and 9.2, such as "ADT^A01" or "ORU^*"; the structure, MSH-9.3, says
// how a message is built, not what it asks, and is not judged. A message that begins with
// BHS or FHS, or holds a second header, is of the type "BATCH": what is in it is not
// judged any further, so few rules should allow that. Acknowledgements that a caller
// sends, in enhanced mode, are of the type "ACK^A01" or "ACK", and need a rule like any
// other.
//
// # Answers
//
// A refusal is an ACK with MSA-1 = AR, an unreadable message's AE (HL7 v2.5.1, Section
// 2.9.2.1), with an ERR segment from version 2.5 on. In enhanced mode (Section 2.9.3.1)
// they are CR and CE where MSH-15 asks for an accept acknowledgement, AR and AE where only
// MSH-16 asks for one, and none where neither does. A message whose separators cannot be
// read has no answer; the link is closed. Acknowledgements are never answered.
//
// The caller gets answers in the order of its messages, the guard's among the
// target's. From the target only answers pass: what has an MSA segment that names a
// message that was sent and not answered yet. In enhanced mode an application's answer
// may come after the accept acknowledgement, at any time while the link is open. Any
// other message from the target is refused with AR.
//
// # Records
//
// A message has one record, which is kept before the last byte of its answer goes out,
// and of one that wants no answer before its own last byte does. A further answer, which
// enhanced mode allows, has a record of its own: that of message 3 is 3.2. If a record
// cannot be kept, the message gets AR or CE, and the link is closed.
//
// # Links
//
// A caller has one connection to the target. When the target goes away, every message
// that it left unanswered gets AE or CE and the link is closed: whether it was processed
// nobody knows, and the sender has to decide about sending it again. If the target
// cannot be reached at all, the link is closed without a word, which to senders is a
// line that is down. Interfaces may be silent for days, so nothing here ends an idle
// link; TCP's keep-alive finds dead ones.
package mllp
