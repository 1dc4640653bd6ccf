// Package alert turns what happened into alerts that are worth a person's look. Give an
// [Engine] every [Fact], in any order and as often as it comes, and the time now and
// then; it answers with what changed:
//
//	audit.Entry  →  Of  →  Fact  →  Engine.Observe  →  []Change
//	                       time  →  Engine.Tick     →  []Change
//
// Rules come in three classes. An invariant ([Invariant], A01 to A09) must never be
// broken: one fact is enough. A baseline ([Baseline], B01 to B05) compares a machine with
// itself, and learns it first. A fleet rule ([Fleet], F01 to F05) compares numbers with
// those of the same hour of other days. [Rules] lists them.
//
// # Little noise
//
// One thing is one alert: what repeats counts up, what befalls many machines of a site is
// gathered into one, and what three machines of a site or a role do alike is no anomaly but
// a change of the place (a crowd): it is held back until that is known. Planned work, a
// [Window], silences baselines and fleet rules, never an invariant. An alert resolves by
// itself: when what it measures is good again, when somebody dealt with the machine, or when
// nothing happened for the rule's quiet time. Each says the two facts that it compared, and
// the numbers of their entries.
//
// # What it remembers
//
// Of each machine a few hundred bytes: sketches, not lists. All state stays below
// [Config.Memory]; beyond that the machine that was silent for longest is forgotten, learned
// anew in silence, and counted in [Stats]. A machine that was heard of within a day is not
// forgotten for a newcomer: a million identities that somebody makes up do not wash out what
// was learned. Invariants that the CA's own log states (a fork, a reused token) need no memory.
//
// # What it trusts
//
// Entries of the CA's own log are taken as they are. A guard's records are what that guard
// says: one that was taken over can accuse, so that each alert names the journals that it
// rests on. No rule acts. It proposes ([Change].Propose), and policy decides elsewhere.
//
// The package reads no clock, no file and no database, and starts no goroutine.
package alert
