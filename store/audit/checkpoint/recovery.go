package checkpoint

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A Recovery is a checkpoint by which the log owns up to a loss: its database was set
// back to these entries, what it had recorded behind them is gone, and it goes on from
// here. It is a checkpoint as any other (C2SP tlog-checkpoint) with one extension line,
//
//	recovery 1284 2026-11-22T08:00:00Z
//
// the largest size that is known to have been signed before, and when the log went on.
//
// It takes nothing back: the checkpoints that it contradicts stay signed. Whoever holds
// one keeps it, and tells people: that the loss is honest is not for a program to say.
type Recovery struct {
	Checkpoint
	Lost int64     // largest size that was signed before; at most Size: none is known
	At   time.Time // whole seconds
}

const recoveryLine = "recovery "

// SignRecovery returns the text of r, signed by s.
func SignRecovery(r Recovery, s note.Signer) (string, error) {
	if r.Origin != s.Name() || r.Size < 0 || r.Lost < 0 {
		return "", fmt.Errorf("signing a recovery of %q: it is not one of %q", r.Origin, s.Name())
	}
	line := recoveryLine + strconv.FormatInt(r.Lost, 10) + " " + r.At.UTC().Format(time.RFC3339) + "\n"
	text, err := note.Sign(&note.Note{Text: r.body() + line}, s)
	if err != nil {
		return "", fmt.Errorf("signing a recovery of %q: %w", r.Origin, err)
	}
	return string(text), nil
}

// OpenRecovery is [Open] for a text that may be a recovery; false: it is an ordinary
// checkpoint.
func OpenRecovery(text string, v note.Verifier) (Recovery, bool, error) {
	c, err := Open(text, v)
	if err != nil {
		return Recovery{}, false, err
	}
	r := Recovery{Checkpoint: c}
	body, _, _ := strings.Cut(text, "\n\n")
	for _, line := range strings.Split(body, "\n")[3:] {
		fields, ok := strings.CutPrefix(line, recoveryLine)
		if !ok {
			continue
		}
		lost, at, _ := strings.Cut(fields, " ")
		var errLost, errAt error
		r.Lost, errLost = strconv.ParseInt(lost, 10, 64)
		r.At, errAt = time.Parse(time.RFC3339, at)
		if errLost != nil || errAt != nil || r.Lost < 0 {
			return Recovery{}, false, fmt.Errorf("%w: its line of a recovery", ErrMalformed)
		}
		return r, true, nil
	}
	return r, false, nil
}
