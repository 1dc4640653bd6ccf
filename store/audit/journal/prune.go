package journal

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// pruneAction is that of the entry which says what is removed.
const pruneAction = "journal.prune"

// shippedFile holds the number of the last entry that the CA has.
const shippedFile = "shipped"

// Shipped notes that the CA has the entries up to last, and no more: one that was set back
// has fewer than before. Those may be removed once they are old enough.
func (j *Journal) Shipped(last int64) error {
	if last == j.shipped.Load() {
		return nil
	}
	if err := replace(j.path(shippedFile), strconv.AppendInt(nil, last, 10)); err != nil {
		return err
	}
	j.shipped.Store(last)
	return nil
}

func readShipped(name string) int64 {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0 // then all of it is sent once more, and the CA says what it has
	}
	return n
}

// prune removes the oldest files of leaves that the CA has whole, and that are older than
// Config.Keep or in the way of Config.MaxBytes; of the last two never. What goes is written down first: the entry is what
// tells removing from deleting.
func (j *Journal) prune(now time.Time) error {
	list, err := segments(j.cfg.Dir)
	if err != nil {
		return err
	}
	shipped := j.shipped.Load()
	for len(list) > 2 && list[1].first-1 <= shipped {
		info, err := os.Stat(list[0].path(j.cfg.Dir))
		if err != nil {
			return err
		}
		if now.Sub(info.ModTime()) < j.cfg.Keep && j.total+j.end < j.cfg.MaxBytes/4*3 {
			return nil
		}
		if err := j.own(pruneAction, map[string]any{"first": list[0].first, "last": list[1].first - 1}); err != nil {
			return err
		}
		if err := j.flush(); err != nil {
			return err
		}
		if err := os.Remove(list[0].path(j.cfg.Dir)); err != nil {
			return err
		}
		j.total -= list[0].bytes
		list = list[1:]
	}
	return nil
}
