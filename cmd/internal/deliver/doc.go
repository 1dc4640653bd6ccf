// Package deliver hands the CA's audit log, and what guards shipped of theirs, to systems
// of somebody else's: a [Sink] takes records in order, and is told nothing twice that it
// took for good. It knows no format and no protocol; the packages below it do.
package deliver
