// Package survey reads the facts that package compliance judges: from the store, its log
// and the journals of guards in its archive. It judges nothing and writes nothing.
//
// It reads each certificate in time once and each record of the period once, page by page,
// on all cores, and holds numbers, a few examples, and sets of a bounded size: see [Read].
// What only the daemon knows of itself and of its policy, the caller tells.
package survey
