package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// listReviews writes who reviewed what when, and what nobody did, the newest part of the
// log first.
func listReviews(ctx context.Context, env environment, form output, daemon *adminapi.Client) error {
	all, err := daemon.Reviews(ctx)
	if err != nil {
		return fmt.Errorf("listing reviews: %w", interrupted(ctx, err))
	}
	if form != asTable {
		return writeOne(env, form, all, nil)
	}
	if err := writeList(env, form, reviewColumns, sequence(reviewRows(all))); err != nil {
		return err
	}
	switch {
	case all.Late && len(all.Done) == 0:
		fmt.Fprintf(env.stderr, "nobody has reviewed the log, which began %s: betonica audit review\n", relative(all.Began, env.now()))
	case all.Late:
		fmt.Fprintf(env.stderr, "overdue: there are entries that nobody has reviewed since %s\n", stamp(*all.Waits, env.now()))
	}
	if all.Lost {
		fmt.Fprintf(env.stderr, "there are older reviews: betonica audit list --action audit.review\n")
	}
	return nil
}

// A reviewRow is a part of the log; its word is missing where nobody said one.
type reviewRow struct {
	adminapi.Reviewed
	gap bool
}

func reviewRows(all adminapi.Reviews) []reviewRow {
	rows := make([]reviewRow, 0, len(all.Done)+len(all.Gaps))
	for _, d := range all.Done {
		rows = append(rows, reviewRow{Reviewed: d})
	}
	for _, g := range all.Gaps {
		rows = append(rows, reviewRow{adminapi.Reviewed{First: g.First, Last: g.Last, Since: g.Since, Until: g.Until}, true})
	}
	slices.SortStableFunc(rows, func(a, b reviewRow) int { return cmp.Compare(b.Last, a.Last) })
	return rows
}

var reviewColumns = []column[reviewRow]{
	{"FROM (UTC)", func(r reviewRow) string { return r.Since.UTC().Format("2006-01-02 15:04") }},
	{"TO (UTC)", func(r reviewRow) string { return r.Until.UTC().Format("2006-01-02 15:04") }},
	{"ENTRIES", func(r reviewRow) string { return fmt.Sprintf("%d-%d", r.First, r.Last) }},
	{"STATE", func(r reviewRow) string {
		switch {
		case r.gap:
			return "NOT REVIEWED"
		case r.Again:
			return "again"
		}
		return "reviewed"
	}},
	{"BY", func(r reviewRow) string { return r.By }},
	{"ON (UTC)", func(r reviewRow) string {
		if r.gap {
			return ""
		}
		return r.At.UTC().Format("2006-01-02 15:04")
	}},
	{"OWN ACTS", func(r reviewRow) string {
		if r.Own == 0 {
			return ""
		}
		return fmt.Sprintf("%d of %d", r.Own, r.Acts)
	}},
	{"WORD", func(r reviewRow) string { return r.Word }},
}
