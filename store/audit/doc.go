// Package audit is the log: what an entry is, how it is sealed, and how anyone
// proves that the log is the one that was written.
package audit
