package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func auditRecordsCommand(env environment) *cobra.Command {
	var filter adminapi.RecordFilter
	var since, until string
	var limit int
	var form *output
	cmd := &cobra.Command{
		Use:   "records",
		Short: "List what guards wrote down, from the CA's archive",
		Long: `List what guards wrote down and shipped to the CA: who reached what through which
guard, and how it ended. Guard after guard, each in the order in which it was
written. A guard ships within a minute or so; what it has not shipped yet is in
its own journal (betonica audit list --journal).`,
		Example: `  betonica audit records --since 24h
  betonica audit records --identity gateway/icu --action access.request -o ndjson`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := env.now()
			var err error
			if filter.Since, err = moment(since, now); err != nil {
				return err
			}
			if filter.Until, err = moment(until, now); err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			all := adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.JournalEntry], error) {
				return daemon.Records(ctx, filter, p)
			})
			return interrupted(cmd.Context(), writeList(env, *form, recordColumns, atMost(limit, all)))
		},
	}
	cmd.Flags().StringVar(&filter.Identity, "identity", "", "only of the guard of this `machine`, such as gateway/icu")
	cmd.Flags().StringVar(&filter.Action, "action", "", "only this `action`, such as access.request")
	cmd.Flags().StringVar(&since, "since", "", "not before this `time`: RFC 3339, or how long ago, such as 90m")
	cmd.Flags().StringVar(&until, "until", "", "before this `time`")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (default: all)")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

var recordColumns = []column[adminapi.JournalEntry]{
	{"GUARD", func(e adminapi.JournalEntry) string { return e.Identity }},
	{"TIME (UTC)", func(e adminapi.JournalEntry) string { return e.At.UTC().Format("2006-01-02 15:04:05") }},
	{"ACTION", func(e adminapi.JournalEntry) string { return e.Action }},
	{"CALLER", func(e adminapi.JournalEntry) string { return e.Actor }},
	{"TARGET", func(e adminapi.JournalEntry) string { return e.Subject }},
	{"OPERATION", func(e adminapi.JournalEntry) string { return detailText(e, "operation") }},
	{"RESOURCE", func(e adminapi.JournalEntry) string { return detailText(e, "resource") }},
	{"OUTCOME", func(e adminapi.JournalEntry) string { return e.Outcome }},
}

func detailText(e adminapi.JournalEntry, name string) string {
	text, _ := e.Detail[name].(string)
	return text
}
