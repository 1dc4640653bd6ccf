// Package report writes what a run of package compliance has found, for people and for
// programs: one page of HTML that holds all that it shows, the results as JSON, as OSCAL
// assessment results 1.1.3 and as JUnit, and the proofs of sampled entries. It finds out
// nothing itself and asks nobody; package pack seals what it writes.
//
// The page runs no script and fetches nothing. No colour says anything that a word beside
// it does not say. It calls evidence evidence, and nobody compliant.
package report
