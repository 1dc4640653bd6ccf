package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func auditListCommand(env environment) *cobra.Command {
	var filter adminapi.AuditFilter
	var since, until string
	var limit int
	var kept keeping
	var form *output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List entries of the audit log, the newest first",
		Long: `List entries of the CA's audit log, the newest first. With --journal, list those of
a guard's journal on this machine instead, in the order in which they were written.`,
		Example: `  betonica audit list --since 24h --action certificate.refuse
  betonica audit list --subject device/pump-7 -o ndjson
  betonica audit list --journal /var/lib/betonica/journal --action access.request`,
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
			if kept.dir != "" {
				return listJournal(cmd.Context(), env, *form, kept, filter, limit)
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			note := ""
			all := adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Entry], error) {
				page, err := daemon.Audit(ctx, filter, p)
				note = page.Note
				return page, err
			})
			err = writeList(env, *form, entryColumns, atMost(limit, all))
			if note != "" {
				fmt.Fprintln(env.stderr, note)
			}
			return interrupted(cmd.Context(), err)
		},
	}
	cmd.Flags().StringVar(&filter.Actor, "actor", "", "only by this `actor`, in full")
	cmd.Flags().StringVar(&filter.Subject, "subject", "", "only about this `subject`, in full")
	cmd.Flags().StringVar(&filter.Action, "action", "", "only this `action`, such as certificate.issue")
	cmd.Flags().StringVar(&since, "since", "", "not before this `time`: RFC 3339, or how long ago, such as 90m")
	cmd.Flags().StringVar(&until, "until", "", "before this `time`")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (default: all)")
	kept.flags(cmd)
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

var entryColumns = []column[adminapi.Entry]{
	{"SEQ", func(e adminapi.Entry) string { return fmt.Sprint(e.Seq) }},
	{"TIME (UTC)", func(e adminapi.Entry) string { return e.At.UTC().Format("2006-01-02 15:04:05") }},
	{"ACTION", func(e adminapi.Entry) string { return e.Action }},
	{"ACTOR", func(e adminapi.Entry) string { return e.Actor }},
	{"SUBJECT", func(e adminapi.Entry) string { return e.Subject }},
	{"OUTCOME", func(e adminapi.Entry) string { return e.Outcome }},
}

// listJournal writes the entries of a journal that a filter lets through. Keys of digests
// are left out: audit export has them.
func listJournal(ctx context.Context, env environment, form output, k keeping, f adminapi.AuditFilter, limit int) error {
	r, o, err := k.open()
	if err != nil {
		return err
	}
	defer r.Close()
	return writeList(env, form, entryColumns, atMost(limit, func(yield func(adminapi.Entry, error) bool) {
		for e, err := range entries(ctx, r, o) {
			if err == nil && (f.Actor != "" && e.Actor != f.Actor || f.Subject != "" && e.Subject != f.Subject || f.Action != "" && e.Action != f.Action ||
				e.At.Before(f.Since) || !f.Until.IsZero() && !e.At.Before(f.Until)) {
				continue
			}
			delete(e.Detail, "key")
			if !yield(adminapi.Entry{
				Seq: e.Seq, At: e.At, Action: e.Action, Actor: e.Actor, Subject: e.Subject, Address: e.Address,
				Outcome: e.Outcome, RequestID: e.RequestID, Detail: e.Detail, Hash: e.Hash.String(),
			}, err) {
				return
			}
		}
	}))
}

// moment reads a time, or how long before now it was.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("%q is not a time such as 2026-11-22T14:00:00Z, nor a duration such as 90m or 30d", text)
	}
	return t, nil
}
