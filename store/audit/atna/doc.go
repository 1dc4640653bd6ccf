// Package atna tells entries of the audit log in healthcare's own formats: as DICOM
// audit messages (PS3.15, Section A.5), as FHIR R4 AuditEvents and as JSON lines, alone
// or in syslog frames (RFC 5424, RFC 5425; IHE ITI-20, Record Audit Event). It is a
// translation and nothing else: it reads no log and sends nothing.
//
//	audit.Entry + Source  →  New  →  Message  →  XML, FHIR, JSON, Syslog
//
// # What is told how
//
// One table (actions.go) gives each action of the CA's log its codes: those of DICOM's
// vocabulary, and one of our own code system, which is the action itself. Records of
// guards, "access.…", are told by what was spoken: see access.go. An action that is in
// no table is a Security Alert, never an error: what is on record always leaves.
//
// FHIR accesses have the shapes of IHE's Basic Audit Log Patterns (BALP). A message
// claims one of its profiles only where it holds all that the profile wants: a success,
// both ends' addresses, and no search, since a guard keeps no query: it could name a
// patient. For the same reason no message names a patient or a study, and DICOM Instances
// Transferred says which SOP class it was, and not which study.
//
// # Outcomes
//
// PS3.15, Section A.5.3.11: 0 says that nothing is wrong, 4 and 8 that something was
// tried and held off, 12 that what should have held may not have.
//
// # Repeats
//
// Whoever delivers may deliver twice. [Message.ID] is the same each time, and is in every
// format; so are the log's name, the entry's number and its hash. The hash is in the ID, too:
// a CA that was restored from a backup gives the numbers of lost entries once more, and
// whoever took those must not take the new ones for repeats.
//
// # Strangers' text
//
// Whatever came in from outside is a string, and only what [plain.Clean] returned is of
// the type that the writers take: see clean.go. So no text ends a line, an element or a
// member early. What is written is US-ASCII: other letters stand as character references
// in XML and as escapes in JSON, so that it does not matter what charset a receiver
// takes it for. Keys of guards' digests are left out.
package atna
