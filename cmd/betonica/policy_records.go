package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/guard/grants"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/store/audit"
)

// evidence says which records are read.
type evidence struct {
	journals, exports []string
	key               string
	archive           bool
	guard             string
}

func (e *evidence) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&e.journals, "journal", nil, "`directory` of a guard's journal (repeatable)")
	cmd.Flags().StringArrayVar(&e.exports, "records", nil, "`file` that betonica audit export wrote of a journal (repeatable)")
	cmd.Flags().BoolVar(&e.archive, "archive", false, "read what guards shipped to the CA's archive")
	cmd.Flags().StringVar(&e.guard, "guard", "", "with --archive, only of the guard of this `machine`, such as gateway/icu")
	cmd.Flags().StringVar(&e.key, "journal-key", "", "`file` of the journals' key (default: in their directories)")
}

// collect counts the records. Those of journals and exports are verified before; those of
// the archive the CA has verified when it took them.
func (e *evidence) collect(cmd *cobra.Command, c *grants.Collector) error {
	ctx := cmd.Context()
	names := append(append([]string(nil), e.journals...), e.exports...)
	if len(names) == 0 && !e.archive {
		return usagef("name the records: --journal DIR, --records FILE or --archive")
	}
	if e.archive {
		if err := e.collectArchive(cmd, c); err != nil {
			return fmt.Errorf("reading the archive: %w", interrupted(ctx, err))
		}
	}
	for _, name := range names {
		all, err := records(ctx, name, e.key)
		if err != nil {
			return err
		}
		for r, err := range all {
			if err == nil {
				err = c.Add(r)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func (e *evidence) collectArchive(cmd *cobra.Command, c *grants.Collector) error {
	daemon, err := connect(cmd)
	if err != nil {
		return err
	}
	defer daemon.Close()
	filter := adminapi.RecordFilter{Identity: e.guard, Since: c.Since}
	for entry, err := range adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.JournalEntry], error) {
		return daemon.Records(ctx, filter, p)
	}) {
		if err != nil {
			return err
		}
		r, err := archived(entry)
		if errors.Is(err, record.ErrOther) {
			continue
		}
		if err == nil {
			err = c.Add(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// archived returns the record that an entry is, without the numbers in it: they are
// other ones in JSON, and none of a rule's matter.
func archived(e adminapi.JournalEntry) (record.Record, error) {
	detail := make(map[string]any)
	for name, v := range e.Detail {
		if text, ok := v.(string); ok {
			detail[name] = text
		}
	}
	return record.Parse(audit.Entry{Seq: e.Seq, At: e.At, Event: audit.Event{
		Action: e.Action, Actor: e.Actor, Subject: e.Subject, Address: e.Address, Outcome: e.Outcome, Detail: detail,
	}})
}

// reach warns where the records do not say how it was since a time.
func reach(env environment, c *grants.Collector, since time.Time) {
	counted, _, first, _ := c.Records()
	switch {
	case counted == 0:
		fmt.Fprintln(env.stderr, "there is no record of an access that was let through")
	case !since.IsZero() && first.After(since):
		fmt.Fprintf(env.stderr, "the records begin only at %s\n", stamp(first, env.now()))
	}
}
