package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A Witness is what the CA's own log says of journals: that one was begun, whose it is and
// by which key it is signed, that it forked, and up to where it has left its retention. Who
// owns the database writes all that into its tables as he likes, but not into the log.
//
// It reads along while the log is verified, see [Witness.Along]; a log that is broken says
// of journals what is left of it.
type Witness struct {
	archived map[string]store.Journal // as the archive was before the log was read: a daemon may be at work
	said     map[string]said          // by origin
	blind    bool                     // an entry about journals did not open, which [audit.Verify] reports
}

// said is what entries of the log say of one journal.
type said struct {
	identity, key string // "": nothing does
	retired       int64  // last entry that has left its retention
	forked        bool
}

// NewWitness returns a Witness of the archive as it is now, who has read nothing yet.
func NewWitness(ctx context.Context, s Source) (*Witness, error) {
	w := &Witness{archived: map[string]store.Journal{}, said: map[string]said{}}
	err := eachJournal(ctx, s, func(j store.Journal) error {
		w.archived[j.Origin] = store.Journal{Identity: j.Identity, Key: j.Key, Removed: j.Removed, Forked: j.Forked}
		return nil
	})
	return w, err
}

// Along returns the log for [audit.Verify]: the Witness sees of it what that reads, and
// opens what is about journals. Nobody reads along where w is nil.
func (w *Witness) Along(s *store.AuditSource, k *audit.Keyring) audit.Source {
	if w == nil {
		return s
	}
	return along{s, k, w}
}

type along struct {
	*store.AuditSource
	keyring *audit.Keyring
	witness *Witness
}

func (a along) Records(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	page, err := a.AuditSource.Records(ctx, after, limit)
	for _, row := range page {
		switch row.Action {
		case "journal.begin", "journal.fork", "journal.retire":
			e, err := a.keyring.Open(row.Leaf)
			if err != nil {
				a.witness.blind = true
				continue
			}
			a.witness.hear(e)
		}
	}
	return page, err
}

// hear takes in an entry that the log sealed.
func (w *Witness) hear(e audit.Entry) {
	origin, _ := e.Detail["origin"].(string)
	of := w.said[origin]
	switch e.Action {
	case "journal.begin":
		of.identity = e.Subject
		of.key, _ = e.Detail["key"].(string)
	case "journal.fork":
		of.forked = true
	case "journal.retire":
		number, _ := e.Detail["last"].(json.Number)
		last, _ := number.Int64()
		of.retired = max(of.retired, last)
	default:
		return
	}
	w.said[origin] = of
}

// judge says where the archive's tables and the log tell different stories of a journal.
func (w *Witness) judge(origin string) error {
	j, known := w.archived[origin]
	if !known || w.blind { // begun since
		return nil
	}
	of := w.said[origin]
	broken := func(kind audit.Kind, from, to int64, format string, args ...any) error {
		return &audit.TamperError{Kind: kind, From: from, To: to, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case of.identity == "":
		return broken(audit.Forged, 1, 1, "no entry of the log, journal.begin, says that it was begun")
	case of.identity != j.Identity || of.key != j.Key:
		return broken(audit.Forged, 1, 1, "the log has it begun by %s, and signed by the key %s", of.identity, of.key)
	case of.retired < j.Removed:
		return broken(audit.Deleted, of.retired+1, j.Removed, "no entry of the log, journal.retire, says that they left their retention")
	case of.forked && j.Forked == nil:
		return broken(audit.Edited, 1, 1, "the log says that it showed another history, and the archive does not")
	}
	return nil
}

// missing returns a Check of each journal that the log has begun, and that is not in the
// archive: a journal stays for ever, even without entries.
func (w *Witness) missing(ctx context.Context, s Source) (all []Check, err error) {
	if w.blind {
		return nil, nil
	}
	there := map[string]bool{}
	err = eachJournal(ctx, s, func(j store.Journal) error { // anew: one may have begun while the log was read
		there[j.Origin] = true
		return nil
	})
	for origin, of := range w.said {
		if of.identity != "" && !there[origin] {
			all = append(all, Check{Origin: origin, Identity: of.identity, Err: &audit.TamperError{
				Kind: audit.Deleted, From: 1, To: 1, Detail: "the log has it begun, and the archive does not know it",
			}})
		}
	}
	slices.SortFunc(all, func(a, b Check) int { return cmp.Compare(a.Origin, b.Origin) })
	return all, err
}
