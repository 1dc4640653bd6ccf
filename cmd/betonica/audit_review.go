package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/compliance"
)

func auditReviewCommand(env environment) *cobra.Command {
	var since, until, week, entries, word string
	var list bool
	var form *output
	cmd := &cobra.Command{
		Use:   "review [--word TEXT] | --list",
		Short: "Go through a week of the log, and put your word on record",
		Long: `Show what is unusual in a part of the log, in groups, the most unusual first, and
of the rest how much there was of it. It begins where the newest review ended, or a
week ago. Each line names some of its entries: betonica audit list has all of each.

With --word, what you say of it is on record with your name, and exactly which
entries it is about: those that were shown. It takes the certificate of an auditor,
for whom somebody answers; and where people did something by their rights, somebody
else than the only one who did. With --list, see who reviewed what when, and what
nobody did.`,
		Example: `  betonica audit review
  betonica audit review --entries 18201-20544 --word 'two pumps re-enrolled, ticket 4711; the rest as usual'
  betonica audit review --week 2026-W47 -o json
  betonica audit review --list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			part, err := reviewPart(env.now(), since, until, week, entries)
			if err != nil {
				return err
			}
			if list && (word != "" || part != (adminapi.ReviewFilter{})) {
				return usagef("--list is alone: it shows all reviews")
			}
			if cmd.Flags().Changed("word") && strings.TrimSpace(word) == "" {
				return usagef("a review says something: --word TEXT")
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			if list {
				return listReviews(cmd.Context(), env, *form, daemon)
			}
			line := newProgressLine(env.stderr)
			r, err := daemon.GatherReview(cmd.Context(), part, func(done, total int64) {
				line.show(fmt.Sprintf("reading entries %s %d of %d", bar(done, total), done, total))
			})
			line.clear()
			if err != nil {
				return fmt.Errorf("reading the log: %w", interrupted(cmd.Context(), err))
			}
			if *form == asTable {
				if err := writeReview(env.stdout, r); err != nil {
					return err
				}
			}
			if word == "" {
				if *form != asTable {
					return writeOne(env, *form, r, nil)
				}
				_, err = fmt.Fprintf(env.stdout, "\nto put your word on record: betonica audit review --entries %d-%d --word TEXT\n", r.First, r.Last)
				return err
			}
			done, err := daemon.ReviewLog(cmd.Context(), adminapi.LogReviewRequest{First: r.First, Last: r.Last, Root: r.Root, Word: word})
			if err != nil {
				return fmt.Errorf("putting it on record: %w", interrupted(cmd.Context(), err))
			}
			if *form != asTable {
				return writeOne(env, *form, done, nil)
			}
			_, err = fmt.Fprintf(env.stdout, "\n%s\n", clean(fmt.Sprintf("on record: %s has reviewed entries %d to %d", done.By, done.First, done.Last)))
			return err
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "what was made since this `time`: RFC 3339, or how long ago, such as 14d")
	cmd.Flags().StringVar(&until, "until", "", "and before this `time` (default: now)")
	cmd.Flags().StringVar(&week, "week", "", "what was made in this `week`, such as 2026-W47")
	cmd.Flags().StringVar(&entries, "entries", "", "these entries: `FIRST-LAST`")
	cmd.Flags().StringVar(&word, "word", "", "what you have found, as `text`")
	cmd.Flags().BoolVar(&list, "list", false, "show who reviewed what when, and what nobody did")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// reviewPart reads which part of the log is meant: one way of saying it, or none.
func reviewPart(now time.Time, since, until, week, entries string) (f adminapi.ReviewFilter, err error) {
	switch {
	case week != "" && (since != "" || until != "" || entries != ""), entries != "" && (since != "" || until != ""):
		return f, usagef("name a week, a time or entries: one of them")
	case until != "" && since == "":
		return f, usagef("--until needs --since")
	case week != "":
		f.Since, err = weekOf(week)
		f.Until = f.Since.AddDate(0, 0, 7)
		return f, err
	case entries != "":
		if n, err := fmt.Sscanf(entries+"\n", "%d-%d\n", &f.First, &f.Last); n != 2 || err != nil || f.First < 1 || f.Last < f.First {
			return f, usagef("%q are no entries, such as 18201-20544", entries)
		}
		return f, nil
	}
	if f.Since, err = moment(since, now); err != nil {
		return f, err
	}
	f.Until, err = moment(until, now)
	return f, err
}

// weekOf returns the Monday of a week of ISO 8601, in UTC.
func weekOf(text string) (time.Time, error) {
	var year, week int
	if n, err := fmt.Sscanf(text+"\n", "%4d-W%2d\n", &year, &week); n == 2 && err == nil {
		fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC) // is in the first week
		monday := fourth.AddDate(0, 0, 7*(week-1)-(int(fourth.Weekday())+6)%7)
		if y, w := monday.ISOWeek(); y == year && w == week {
			return monday, nil
		}
	}
	return time.Time{}, usagef("%q is no week, such as 2026-W47", text)
}

// writeReview writes a review for people.
func writeReview(w io.Writer, r adminapi.Review) error {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(clean(fmt.Sprintf(format, args...)))
		b.WriteByte('\n')
	}
	line("%s to %s, entries %d to %d", stampShort(r.Since), stampShort(r.Until), r.First, r.Last)
	if r.Compared == 0 {
		line("the log does not go back far enough to compare it with what was before")
	} else {
		line("compared with the %d times as long before", r.Compared)
	}
	if r.Again {
		line("a part of it was reviewed before: betonica audit review --list")
	}
	for _, g := range r.Groups {
		line("")
		line("%s: %s", g.Title, compliance.Number(g.Count))
		for _, l := range g.Lines {
			count := compliance.Number(l.Count)
			if l.AtLeast {
				count += "+"
			}
			line("  %8s  %s%s", count, l.What, entriesText(l.Entries))
		}
		if g.Rest > 0 {
			line("  %8s  others", compliance.Number(g.Rest))
		}
	}
	if len(r.Acts) > 0 {
		line("")
		line("What people did by their rights:")
		for _, a := range r.Acts {
			line("  %8s  %s", compliance.Number(a.Count), a.Person)
		}
	}
	var usual []string
	for _, l := range r.Ordinary {
		usual = append(usual, compliance.Number(l.Count)+" "+l.What)
	}
	if line(""); len(usual) == 0 {
		line("nothing else")
	} else {
		line("and else: %s", strings.Join(usual, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func stampShort(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func entriesText(all []int64) string {
	if len(all) == 0 {
		return ""
	}
	return " (entry " + strings.Trim(strings.ReplaceAll(fmt.Sprint(all), " ", ", "), "[]") + ")"
}
