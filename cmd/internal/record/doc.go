// Package record is what a guard writes down about one access to ePHI: who, whom,
// when, what, and how it ended. It never holds what was said: of a payload it keeps
// the length and a keyed digest, which both ends of a connection compute alike. It
// keeps nothing itself: a [Keeper] does.
//
// A record goes into a journal as an [audit.Event], and is read from one again
// wherever the journal is: on the machine, or in the CA's archive.
//
//	Record  →  Event  →  journal  →  audit.Entry  →  Parse  →  Record
//
// # Strangers' text
//
// Much of a record was chosen by a stranger: a method, a message type, an AE title.
// [Record.Clean], through which every record goes on its way into an event and out of
// an entry, leaves nothing that could begin a line, move a cursor or turn text around:
// what is not printable, or not UTF-8, becomes "\x0a" or "\u202e" in plain letters, and
// each field has an end, which "…" marks. Quotes and angle brackets stay as they are:
// whoever writes JSON or XML escapes them.
//
// # Pairs
//
// Two guards on one TLS connection derive the same [Bond] from it (RFC 8446, Section
// 7.5). Its name, with the number of the access, pairs their records; its key makes
// their digests comparable, and unknown to whoever was not an end of the connection.
package record
