// Package compliance judges a CA by the technical safeguards of HIPAA's security rule: 45
// CFR 164.312, and what of 164.308 and 164.316 touches it. It is given facts and says, check
// by check, what they show and what to do; it reads no store, asks nobody and knows no time
// but the one it is told. Use it in this order:
//
//	survey.Read  →  Facts  →  Judge  →  Run  →  report.Write
//
// # What a result is
//
// A result is evidence that supports one paragraph of the rule. No number of them makes
// anybody compliant: most of the rule is about people and premises, of which a CA knows
// nothing, and [Beyond] says so. A check passes only on facts that were seen: where there
// were none it was not tested, where it has no object it is not applicable, and each with
// the reason. What only people know they attest, until a day.
//
// # Checks are data
//
// The checks are in checks.toml, with their numbers, words, limits and profiles; the code
// has one function for each number. A number is never used again for something else. The
// profile hipaa-nprm holds what was proposed in 90 FR 898 and is no law.
package compliance
