// Package post is how sinks speak HTTP: one request at a time, to the one URL that is
// configured, with everything that comes back bounded. It says which answers are the
// record's fault and which the receiver's. It knows no format.
package post
