// Package stream tells any number of subscribers of each new delta CRL within
// milliseconds: as server-sent events, and by long poll, with the same signed
// bytes. It signs nothing and verifies nothing: a CA serves what it signed, a relay
// what it verified.
//
// Deltas are cumulative, so nothing is ever replayed: a subscriber gets the newest
// delta, or none. Whoever is slow misses those between, and nothing that they said;
// nothing is queued for anyone, and all share one copy of the bytes.
package stream
