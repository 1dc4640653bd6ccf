// Package checkpoint signs, opens and compares the heads of the audit log: all
// that a monitor needs to hold the log to what it said before.
//
// A checkpoint says "the log has this many entries, and this is the hash of
// them all". It is text that anyone can read, in the form of C2SP
// tlog-checkpoint (https://c2sp.org/tlog-checkpoint), signed as a C2SP
// signed-note with an Ed25519 key:
//
//	hospital.example/log
//	1284
//	Rcl5CCLcTyHLYxWCpwSHi1DlQGJZP1Gl2yCwEQh2MwE=
//
//	— hospital.example/log 8GxaTf8r...
//
// Keep the newest one; when the next comes, [Open] it with the log's key and
// hand both and the proof that came along to [CheckConsistency].
//
// The package links the standard library and golang.org/x/mod/sumdb/{note,tlog}
// only. It fetches nothing, keeps nothing, and knows no entries: see package
// audit for those.
package checkpoint
