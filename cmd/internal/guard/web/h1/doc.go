// Package h1 reads messages of HTTP/1.1 (RFC 9112) in the one way that every reader of
// them agrees on, and refuses those that have several: requests of callers and answers of
// applications alike. It decides nothing about what a message asks for or says, and writes
// none.
//
// What it refuses is a [Shape]: lines that do not end in CR LF, control characters,
// obs-fold, names with anything but token characters, several or listed lengths, a length
// beside a transfer coding, any coding but chunked, chunks without their line ends.
package h1
