// Package evidence is what revocation lists of ours prove, whoever brings them: which
// certificates are revoked, and how far the numbers had come when they were signed. It
// believes a list by its signature alone, so a stranger may bring one. An old list
// proves nothing that a newer one does not, and never takes anything back.
//
// It decides nothing: what a store that falls behind the evidence may do is for package
// store to say. Who holds an intermediate's key can make any evidence.
package evidence
