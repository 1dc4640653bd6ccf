// Package lint holds revocation lists against every rule that zlint has, before they are
// signed. It signs nothing that anybody gets, and decides nothing about what is revoked.
//
// A list of a million entries would take a GiB to lint, and it is made under the time
// that a revocation may take. So it is a sample that is linted: the same header, the same
// extensions, and of the entries those that are extreme in anything, under a signature of
// the same kind by a key that is thrown away. Package crl reads all of the real list
// back once it is signed.
package lint
