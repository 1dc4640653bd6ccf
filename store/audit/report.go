package audit

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A Report says what was verified and, above all, what was not.
type Report struct {
	Origin     string // of the log
	KeyTrusted bool   // false: the key that checks the signatures is the bundle's own word
	Bundle     bool   // an export was verified, not a whole log

	First, Last int64     // entries read; zero if there are none
	Hash        tlog.Hash // root over all entries of a whole log; zero if some are missing

	Opened int64 // entries whose seal was opened
	Sealed int64 // entries whose data key is destroyed or missing, or for which none was given

	Checkpoints int  // of the store (of the bundle: at most 1) that are signed and agree
	HasEvidence bool // an evidence file was given
	Evidence    int  // notes in it that are signed and agree
	Unsigned    int  // notes in it that the log's key did not sign: torn, or not ours; ignored

	// Proved is the size of the largest signed checkpoint that agrees: up to
	// this entry, the log is what was signed, but for the findings.
	Proved int64
	Note   string // that checkpoint, signed

	// Losses are those that the log owned up to when it was recovered, the oldest first.
	// They are no findings: nobody hides them.
	Losses []Loss

	// Findings are all that is wrong, at most MaxFindings: first those that name
	// entries, in their order, then those that name the range of a change.
	Findings []*TamperError
}

// err is the first finding.
func (r Report) err() error {
	if len(r.Findings) == 0 {
		return nil
	}
	return r.Findings[0]
}

// Tail returns the entries that no checkpoint covers yet, and whether there
// are any.
func (r Report) Tail() (first, last int64, ok bool) {
	first = max(r.First, r.Proved+1)
	return first, r.Last, r.Last > 0 && first <= r.Last
}

// String says in a few lines what is proved, by what, and which tail is not.
func (r Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, f := range r.Findings {
		line("%v", f)
	}
	verb := "verified"
	if len(r.Findings) > 0 {
		verb = "read"
	}
	line("%s %s of %s", verb, count(r.Last-r.First+min(1, r.Last), "entry", "entries"), r.Origin)
	if r.Sealed > 0 {
		line("%s not opened: no data key for them", count(r.Sealed, "entry", "entries"))
	}
	r.proved(line)
	r.losses(line)
	r.tail(line)
	r.witnesses(line)
	return b.String()
}

func (r Report) proved(line func(string, ...any)) {
	if len(r.Findings) > 0 {
		line("up to entry %d the log is what was signed, but for what is named above", r.Proved)
		return
	}
	if first := max(r.First, 1); r.Proved >= first {
		line("proved up to entry %d, by a checkpoint that the log signed", min(r.Proved, r.Last))
	}
	if !r.KeyTrusted {
		line("the key of that signature is the bundle's own word: compare it with the log's, or this proves nothing")
	}
}

// losses says which entries there were once.
func (r Report) losses(line func(string, ...any)) {
	for _, l := range r.Losses {
		if l.To > l.Kept {
			line("lost: entries %d to %d of an earlier history; the database was set back to %s, and recovered at %s", l.Kept+1, l.To, count(l.Kept, "entry", "entries"), stamp(l.At))
			continue
		}
		line("lost: what an earlier history held after entry %d, if anything; the database was recovered at %s", l.Kept, stamp(l.At))
	}
}

// tail is honest about what is not proved.
func (r Report) tail(line func(string, ...any)) {
	first, last, ok := r.Tail()
	switch {
	case !ok:
		return
	case r.Bundle || len(r.Findings) > 0:
		line("not proved: entries %d to %d; no checkpoint vouches for them", first, last)
	case r.Opened >= last-first+1:
		line("not under a checkpoint yet: entries %d to %d; the log sealed them, but what was cut off behind them is not missed", first, last)
	default:
		line("not proved: entries %d to %d; no checkpoint covers them, and not all their seals were opened", first, last)
	}
}

func (r Report) witnesses(line func(string, ...any)) {
	switch {
	case r.Bundle:
	case !r.HasEvidence:
		line("no evidence file was given: an older copy of the whole database would pass")
	default:
		line("%s of the evidence agree", count(int64(r.Evidence), "checkpoint", "checkpoints"))
	}
	if r.Unsigned > 0 {
		line("%s in the evidence ignored: torn, or not signed by the log's key", count(int64(r.Unsigned), "note", "notes"))
	}
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// stamp writes a time as the log's texts have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
