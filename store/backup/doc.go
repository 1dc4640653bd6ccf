// Package backup is the form of a backup: one stream that holds the database and the
// files of a CA's folder, and says in its first part what the others must be. It
// encodes and checks; it opens no file, runs no program and encrypts nothing: that is
// for whoever makes or restores one.
//
//	manifest.json      what the backup is of, and name, size and SHA-256 of each part
//	manifest.sha256    of that, in hex
//	database           an SQLite file, or what pg_dump --format=custom writes
//	files/NAME         of the CA's folder
//
// The stream is a tar archive of regular files in that order, so that people can look
// at it with tools that they have. [Read] is stricter than those: what is not exactly
// what the manifest names, to the byte, is refused.
//
// # What it protects from
//
// Digests catch a disk that lies and a copy that was cut off. They prove nothing about
// who made a backup: whoever can write one can write the digests. That the log in it
// is the CA's follows from the log's own signatures, and that it is not an old one from
// what others hold: a restored store signs nothing before that was asked.
package backup
