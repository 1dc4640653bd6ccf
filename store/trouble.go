package store

import (
	"maps"
	"slices"
)

// A Trouble names why a daemon does not do all that it should, in a word that
// stays: /readyz has a line for each, and monitors match it.
type Trouble string

// The troubles of the store come first; the others are the daemon's, which has one
// list of them so that there is one place that says what to do.
const (
	TroubleDiskFull    Trouble = "disk-full"
	TroubleReadOnly    Trouble = "read-only"
	TroubleIO          Trouble = "io-error"
	TroubleCorrupt     Trouble = "corrupt"
	TroubleReplaced    Trouble = "replaced"
	TroubleUnreachable Trouble = "unreachable"
	TroubleBusy        Trouble = "busy"
	TroubleNewer       Trouble = "newer-schema"
	TroubleSetBack     Trouble = "set-back"
	TroubleRestored    Trouble = "restored"
	TroubleClock       Trouble = "clock"

	TroubleLapsed      Trouble = "lapsed"
	TroubleLists       Trouble = "lists-stale"
	TroubleRootList    Trouble = "root-list"
	TroublePublish     Trouble = "publish-dir"
	TroubleIssuer      Trouble = "issuer"
	TroubleHSM         Trouble = "hsm"
	TroubleCertificate Trouble = "certificate"
	TroubleOther       Trouble = "not-ready"
)

// advice is what is wrong, and what to do about it, for people.
var advice = map[Trouble]struct{ what, remedy string }{
	TroubleDiskFull: {"the store's disk is full: nothing is issued, and revoking goes on in the room kept for it",
		"make room on the disk of the store; the daemon goes on by itself"},
	TroubleReadOnly: {"the store cannot be written",
		"mount its file system read-write (its kernel log says why it is not), or give the daemon's user write permission; on PostgreSQL connect to the primary; the daemon goes on by itself"},
	TroubleIO: {"the store's disk failed to read or to write",
		"look into the kernel log and check the disk; the daemon goes on by itself once what it wrote can be read back; if the disk is dying, stop it and run betonicad restore onto another"},
	TroubleCorrupt: {"the database is damaged",
		"stop the daemon, move its folder aside, and make it anew from a backup with betonicad restore and betonicad recover; betonicad doctor says how"},
	TroubleReplaced: {"the database file was deleted, moved or replaced under the daemon",
		"leave the daemon running, which still has the file: betonicad doctor says how to keep it; if that is too late, put the file back that belongs there or run betonicad restore, and start the daemon again"},
	TroubleUnreachable: {"the database does not answer",
		"start it, and check network, address and login; the daemon goes on by itself"},
	TroubleBusy: {"another program holds the database",
		"find what has the file open (fuser) and end it; the daemon goes on by itself"},
	TroubleNewer: {"the database was written by a newer version",
		"run the newer version of betonicad, or put back a backup that was made before it"},
	TroubleSetBack: {"the database is older than what was signed from it",
		"put back the newest database, or run betonicad recover"},
	TroubleRestored: {"the database was restored from a backup, and what was revoked since is not in it yet",
		"run betonicad recover"},
	TroubleClock: {"the clock jumped, or is behind the newest entry of the log",
		"set the clock (chronyc tracking, timedatectl status), and restart the daemon if it does not go on by itself; if the clock was ahead when the newest entry was written, betonicad serve --accept-clock"},
	TroubleLapsed: {"this daemon does not hear of revocations by others in time, and answers OCSP with tryLater",
		"check the network to the database and its load; the daemon goes on by itself"},
	TroubleLists: {"the lists of revoked certificates are not being renewed",
		"see the daemon's log for why; the lists in force end at their nextUpdate"},
	TroubleRootList: {"the root's list of revoked certificates has ended",
		"fetch the root key and run betonicad root sign-crl"},
	TroublePublish: {"the files in publish_dir are not up to date",
		"check that the directory exists, is writable and has room; the daemon goes on by itself"},
	TroubleIssuer: {"the root revoked the intermediate that issues",
		"make the next intermediate with betonicad rotate"},
	TroubleHSM: {"the token that holds the intermediate's key does not answer",
		"check that it is plugged in, its module and its PIN file; the daemon goes on by itself"},
	TroubleCertificate: {"the daemon's own certificate has expired, or there is none yet",
		"see the daemon's log for why it could not be renewed"},
	TroubleOther: {"something keeps the daemon from working",
		"see the daemon's log, and run betonicad doctor"},
}

// AllTroubles returns every name that there is, in alphabetical order.
func AllTroubles() []Trouble { return slices.Sorted(maps.Keys(advice)) }

// What says what is wrong, in a clause without names, numbers or secrets.
func (t Trouble) What() string { return advice[t].what }

// Remedy says what an operator does about it.
func (t Trouble) Remedy() string { return advice[t].remedy }

// String returns "name: what; what to do", the line of /readyz.
func (t Trouble) String() string { return string(t) + ": " + t.What() + "; " + t.Remedy() }

// InTrouble returns err as one that t is the name of, whatever it wraps; nil if it
// is nil.
func InTrouble(t Trouble, err error) error {
	if err == nil {
		return nil
	}
	return &troubled{err, t}
}

type troubled struct {
	error
	trouble Trouble
}

func (t *troubled) Unwrap() error { return t.error }

// Troubles names all that err joins, each once and in their order. An error that
// has no name is [TroubleOther], unless what it comes with has one. Nil: none.
func Troubles(err error) []Trouble {
	if err == nil {
		return nil
	}
	var all []Trouble
	names(err, func(t Trouble) {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	})
	if len(all) == 0 {
		return []Trouble{TroubleOther}
	}
	return all
}

// names calls yield with the names that are found in an error and what it wraps.
func names(err error, yield func(Trouble)) { walk(err, nameOf, yield) }

func walk(err error, nameOf func(error) Trouble, yield func(Trouble)) {
	if t, ok := err.(*troubled); ok {
		yield(t.trouble)
		return
	}
	if t := nameOf(err); t != "" {
		yield(t)
		return
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			walk(inner, nameOf, yield)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			walk(inner, nameOf, yield)
		}
	}
}

// TroubleOf names an error by the first name that is found in it. Empty: it has
// none, as a refusal, which is no trouble.
func TroubleOf(err error) (first Trouble) {
	if err != nil {
		names(err, func(t Trouble) {
			if first == "" {
				first = t
			}
		})
	}
	return first
}

// TroubleOfStore is TroubleOf for an error of a command that opens more than the store: of
// what any file or connection may say, such as that there is no such file, it names nothing.
func TroubleOfStore(err error) (first Trouble) {
	if err != nil {
		walk(err, func(err error) Trouble {
			if anyones(err) {
				return ""
			}
			return nameOf(err)
		}, func(t Trouble) {
			if first == "" {
				first = t
			}
		})
	}
	return first
}
