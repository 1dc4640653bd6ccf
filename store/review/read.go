package review

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Config says which part of the log is read. Store, Now and Privileged are required.
type Config struct {
	Store *store.DB
	Now   time.Time

	// Privileged says which roles are people's with rights.
	Privileged func(role string) bool

	// First and Last are the entries, if they are known; zero: what was made since a time
	// and before another. The zero Until is now, and the zero Since the end of the newest
	// review that there is, or a week ago.
	First, Last  int64
	Since, Until time.Time

	// Progress is called now and then with how many entries were read; nil: nobody listens.
	Progress func(done, total int64)
}

// Week is how often the log is to be reviewed, and Late how old what nobody has reviewed
// may be.
const (
	Week = 7 * 24 * time.Hour
	Late = 35 * 24 * time.Hour
)

// ErrNone reports that the part has no entry.
var ErrNone = errors.New("the log has no entry of that time")

// A MissingError reports that the log does not have the entries that were asked for, or
// that the file of the archive is not there that has.
type MissingError struct{ Detail string }

func (e *MissingError) Error() string { return e.Detail }

// page is how many entries are held at once.
const page = 512

// Read gathers a part of the log. The errors are [ErrNone] and a [*MissingError]. It holds
// a page of entries and the counts: a few MiB, whatever strangers do.
func Read(ctx context.Context, c Config) (*Summary, error) {
	past, err := Past(ctx, c.Store, c.Now)
	if err != nil {
		return nil, err
	}
	s, err := c.part(ctx, past)
	if err != nil {
		return nil, err
	}
	source, err := c.Store.AuditSource(ctx)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if err := source.Readable(s.First, s.Last); err != nil {
		return nil, &MissingError{err.Error()}
	}
	keys, err := c.Store.Keyring(ctx)
	if err != nil {
		return nil, err
	}
	g := newGathering(c, keys.Opener())
	if err := g.read(ctx, source, s); err != nil {
		return nil, err
	}
	root, err := audit.Root(ctx, source, s.Last)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		g.tallies[health].add("the tree cannot be computed, so that nobody can put a review of this on record (betonicad audit verify): "+err.Error(), s.Last)
	default:
		s.Root = root.String()
	}
	s.Again = past.covers(s.First, s.Last)
	if err := g.checkpoints(ctx, source, s); err != nil {
		return nil, err
	}
	if err := g.compare(ctx, s, past.Began); err != nil {
		return nil, err
	}
	g.tell(s)
	return s, nil
}

// part finds the entries.
func (c Config) part(ctx context.Context, past *History) (*Summary, error) {
	s := &Summary{Since: c.Since.UTC(), Until: c.Until.UTC(), First: c.First, Last: c.Last}
	if s.Last > c.Store.LogSize() || s.First > s.Last {
		return nil, &MissingError{fmt.Sprintf("the log has entries 1 to %d", c.Store.LogSize())}
	}
	if s.Until.IsZero() || s.Until.After(c.Now) { // nobody reviews what is to come
		s.Until = c.Now.UTC()
	}
	if s.First > 0 {
		return s, nil // the times are those of the entries
	}
	var err error
	switch newest := past.newest(); {
	case !c.Since.IsZero():
		s.First, s.Last, err = c.Store.EntriesBetween(ctx, s.Since, c.Until)
	case newest != nil:
		s.Since = newest.Until
		s.First, s.Last = newest.Last+1, c.Store.LogSize()
	default:
		s.Since = s.Until.Add(-Week)
		s.First, s.Last, err = c.Store.EntriesBetween(ctx, s.Since, c.Until)
	}
	if err == nil && s.Last < s.First {
		err = ErrNone
	}
	return s, err
}

// read takes every entry of the part.
func (g *gathering) read(ctx context.Context, source *store.AuditSource, s *Summary) error {
	for after := s.First - 1; after < s.Last; {
		records, err := source.Records(ctx, after, int(min(page, s.Last-after)))
		if err != nil {
			return err
		}
		for i := range records {
			r := &records[i]
			if r.Seq != after+1 {
				g.tallies[health].add(fmt.Sprintf("entries %d to %d are not there", after+1, r.Seq-1), after+1)
			}
			after = r.Seq
			if g.First > 0 && r.Seq == s.First && g.Since.IsZero() {
				s.Since = r.At
			}
			if g.First > 0 && r.Seq == s.Last && g.Until.IsZero() {
				s.Until = r.At
			}
			g.take(r)
		}
		if len(records) == 0 {
			g.tallies[health].add(fmt.Sprintf("entries %d to %d are not there", after+1, s.Last), after+1)
			after = s.Last
		}
		if g.Progress != nil {
			g.Progress(after-s.First+1, s.Entries())
		}
	}
	return nil
}

const silence = 2 * time.Hour // between two checkpoints, of which there is one an hour at least

// checkpoints looks for times in which none was signed: the CA was down, or did not sign.
func (g *gathering) checkpoints(ctx context.Context, source *store.AuditSource, s *Summary) error {
	var before time.Time
	for after := s.First - 1; ; {
		all, err := source.Checkpoints(ctx, after, page)
		if err != nil {
			return err
		}
		for _, c := range all {
			if !before.IsZero() && c.At.Sub(before) > silence {
				g.tallies[health].add(fmt.Sprintf("no checkpoint was signed from %s to %s", before.UTC().Format(time.RFC3339), c.At.UTC().Format(time.RFC3339)), min(after+1, s.Last))
			}
			before, after = c.At, c.Size
			if c.Size >= s.Last {
				after = math.MaxInt64
			}
		}
		if len(all) < page || after == math.MaxInt64 {
			return nil
		}
	}
}
