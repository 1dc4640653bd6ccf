package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Bounds say how much of the archive there is for whom. A machine that was taken over may
// send what it likes, and fills its own share. They are looked at before each batch, and
// so may be gone beyond by one batch of each machine that brings one at that moment.
type Bounds struct {
	Journals int   // that a machine may begin in a day of UTC; 0: any number
	Daily    int64 // bytes of a machine in a day; 0: any number
	Total    int64 // bytes of all machines; 0: any number
}

// MaxJournals is how many journals a machine may begin in a day: one whose disk does not
// outlive it begins another at each start.
const MaxJournals = 24

const (
	refusalsEvery = time.Hour // between two entries of the log about one machine
	fullWait      = time.Hour // until a full archive is worth asking again
)

// A FullError reports that there is no room for a batch. Its text is meant for whoever
// sent it.
type FullError struct {
	Detail     string
	RetryAfter time.Duration
	Whole      bool // it is the archive that is full, and not the machine's share
}

func (e *FullError) Error() string { return e.Detail }

// room returns a [*FullError] if there is none for a batch, or for the beginning of a
// journal. The log of the CA says so once an hour for each machine.
func (b Bounds) room(ctx context.Context, db *store.DB, from Sender, begins bool) error {
	use, err := db.ArchiveUse(ctx, from.Identity)
	if err != nil {
		return err
	}
	full := b.judge(use, begins)
	if full == nil {
		return nil
	}
	if use.Refused < refusalsEvery {
		return full
	}
	err = db.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.RefuseArchive(from.Identity, refusalsEvery)
		return audit.Event{
			Action: "journal.refuse", Actor: from.Identity, Subject: from.Identity, Address: from.Address, RequestID: from.RequestID,
			Outcome: full.Detail, Detail: map[string]any{"begun": use.Begun, "bytes": use.Bytes, "total": use.Total},
		}
	})
	if errors.Is(err, store.ErrExists) { // another replica's
		err = nil
	}
	return errors.Join(full, err)
}

func (b Bounds) judge(use store.ArchiveUse, begins bool) *FullError {
	switch {
	case b.Total > 0 && use.Total >= b.Total:
		return &FullError{"the archive is full", fullWait, true}
	case begins && b.Journals > 0 && use.Begun >= b.Journals:
		return &FullError{fmt.Sprintf("it began %d journals today, and may begin no more", use.Begun), use.Rest, false}
	case b.Daily > 0 && use.Bytes >= b.Daily:
		return &FullError{fmt.Sprintf("it brought %d bytes today, and may bring no more", use.Bytes), use.Rest, false}
	}
	return nil
}
