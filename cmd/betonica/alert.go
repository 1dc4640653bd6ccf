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

func alertCommand(env environment) *cobra.Command {
	return groupCommand("alert", "See what the rules have found in the log, and say that you have",
		alertListCommand(env), alertShowCommand(env), alertAckCommand(env), alertQuietCommand(env))
}

// alertArg reads the number of an alert.
func alertArg(text string) (int64, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(text, "alert/"), 10, 64)
	if err != nil || id <= 0 {
		return 0, usagef("%q is no number of an alert; betonica alert list has them", text)
	}
	return id, nil
}

// completeAlerts offers the alerts that are not resolved.
func completeAlerts(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	daemon, err := connect(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer daemon.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	page, err := daemon.Alerts(ctx, adminapi.AlertFilter{}, adminapi.PageRequest{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var all []cobra.Completion
	for _, a := range page.Items {
		all = append(all, cobra.CompletionWithDesc(strconv.FormatInt(a.ID, 10), clean(a.Title+" "+about(a))))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// about says in a word whom an alert is about.
func about(a adminapi.Alert) string {
	switch n := len(a.Subjects); {
	case a.Subject != "":
		return a.Subject
	case n > 1:
		return fmt.Sprintf("%s and %d more", a.Subjects[0], n-1)
	case n == 1:
		return a.Subjects[0]
	}
	return ""
}

func writeAlert(env environment, form output, a adminapi.Alert) error {
	now := env.now()
	fields := []field{
		{"alert", strconv.FormatInt(a.ID, 10)}, {"rule", a.Rule + ", " + a.Class + ": " + a.Title}, {"severity", a.Severity}, {"state", a.State},
		{"about", a.Subject}, {"about several", strings.Join(a.Subjects, ", ")}, {"site", a.Site},
		{"opened", stamp(a.Opened, now)}, {"last", stamp(a.Last, now)}, {"found", times(a.Count)},
		{"it was", a.Facts[0]}, {"and then", a.Facts[1]}, {"what to do", a.Do},
	}
	if a.Acknowledged != nil {
		fields = append(fields, field{"acknowledged", stamp(*a.Acknowledged, now) + " by " + a.By}, field{"word", a.Word})
	}
	if a.Resolved != nil {
		fields = append(fields, field{"resolved", stamp(*a.Resolved, now)}, field{"why", a.Why})
	}
	for _, e := range a.Entries {
		fields = append(fields, field{"entry", entryText(e, a)})
	}
	for _, s := range a.History {
		fields = append(fields, field{"history", fmt.Sprintf("%s %s by %s, entry %d: %s", s.At.UTC().Format(time.RFC3339), s.What, s.Actor, s.Seq, s.Text)})
	}
	return writeOne(env, form, a, fields)
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// entryText names an entry, and the command that shows it.
func entryText(e adminapi.AlertEntry, a adminapi.Alert) string {
	if e.Origin != "" {
		guard, _, _ := strings.Cut(e.Origin, "/journal/")
		_, guard, _ = strings.Cut(guard, "/") // the trust domain
		return fmt.Sprintf("%d of the journal of %s: betonica audit records --identity %s --since %s", e.Seq, guard, guard, a.Opened.Add(-time.Hour).UTC().Format(time.RFC3339))
	}
	if e.At == nil {
		return fmt.Sprintf("%d: betonica audit export --from %d --to %d", e.Seq, e.Seq, e.Seq)
	}
	at := e.At.UTC().Truncate(time.Second)
	return fmt.Sprintf("%d, %s: betonica audit list --action %s --since %s --until %s", e.Seq, e.Action, e.Action, at.Format(time.RFC3339), at.Add(time.Second).Format(time.RFC3339))
}
