package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/guard/grants"
)

// evidence says which records are read.
type evidence struct {
	journals, exports []string
	key               string
}

func (e *evidence) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&e.journals, "journal", nil, "`directory` of a guard's journal (repeatable)")
	cmd.Flags().StringArrayVar(&e.exports, "records", nil, "`file` that betonica audit export wrote of a journal (repeatable)")
	cmd.Flags().StringVar(&e.key, "journal-key", "", "`file` of the journals' key (default: in their directories)")
}

// collect counts the records, which are verified before.
func (e *evidence) collect(ctx context.Context, c *grants.Collector) error {
	names := append(append([]string(nil), e.journals...), e.exports...)
	if len(names) == 0 {
		return usagef("name the records: --journal DIR or --records FILE")
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
