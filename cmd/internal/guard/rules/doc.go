// Package rules fetches what a guard allows from the CA: the rules of its policy, which
// come signed. It waits at the CA for the next change, keeps the newest on disk, and
// never goes back to an older one. It decides nothing: package allow does.
package rules
