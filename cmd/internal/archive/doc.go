// Package archive is what the CA keeps of its machines' journals: it takes what guards
// ship, once, and only what each journal signed for; it reads it to auditors, and verifies
// it. It writes no journal, and knows of the store's tables nothing.
//
// # What a shipped journal is good for
//
// A machine that is taken over can write what it likes from then on, but not change what
// it shipped before: a journal that goes back, or differs from what it signed, is a fork,
// an entry of the CA's own log ("journal.fork"), and nothing more is taken of it. What a
// machine did not ship, nobody here knows of.
//
// Entries come sealed, and their data keys encrypted to the key of the CA's log: who has
// the database alone reads nothing.
package archive
