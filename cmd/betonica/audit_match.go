package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/record"
)

// errMismatch is why match fails.
var errMismatch = errors.New("the two ends did not see the same")

// A matchEnd is one end's word, as JSON.
type matchEnd struct {
	Begin     time.Time `json:"begin"`
	Caller    string    `json:"caller"`
	Operation string    `json:"operation"`
	Request   string    `json:"request,omitempty"`  // digest
	Response  string    `json:"response,omitempty"` // digest
}

// A match is one line of what audit match writes.
type match struct {
	Result record.Verdict `json:"result"`
	Link   string         `json:"link"`
	Number string         `json:"number"`
	A      *matchEnd      `json:"a,omitempty"`
	B      *matchEnd      `json:"b,omitempty"`
}

func auditMatchCommand(env environment) *cobra.Command {
	var keyA, keyB string
	var all bool
	var form *output
	cmd := &cobra.Command{
		Use:   "match A B",
		Short: "Put the records of two guards side by side",
		Long: `Put what two guards wrote down about the connections between them side by side.
A and B are directories of journals, or what betonica audit export wrote; both are
verified first. Records of one access have the same link and number, and the
digests of what was sent and answered are the same at both ends, unless somebody
changed it on the way or afterwards: then they are a mismatch, and match fails.

What only one end has was with others, was refused before it left the machine, or
is missing at the other end.`,
		Example: `  betonica audit match /var/lib/betonica/journal gateway.jsonl
  betonica audit match pump/journal pacs/journal -o ndjson --all`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("%s takes two journals, A and B, and got %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := records(cmd.Context(), args[0], keyA)
			if err != nil {
				return err
			}
			b, err := records(cmd.Context(), args[1], keyB)
			if err != nil {
				return err
			}
			count := map[record.Verdict]int{}
			err = writeList(env, *form, matchColumns(), func(yield func(match, error) bool) {
				for p, err := range record.Match(a, b) {
					count[p.Verdict]++
					if err == nil && !all && (p.Verdict == record.Matched || p.Verdict == record.Undigested) {
						continue
					}
					if !yield(match{p.Verdict, p.Link, p.Number, endOf(p.A), endOf(p.B)}, err) {
						return
					}
				}
			})
			if err != nil {
				return interrupted(cmd.Context(), err)
			}
			fmt.Fprintf(env.stderr, "%d matched, %d mismatched, %d without digests at both ends, %d only in A, %d only in B\n",
				count[record.Matched], count[record.Mismatched], count[record.Undigested], count[record.OnlyA], count[record.OnlyB])
			if count[record.Mismatched] > 0 {
				return errMismatch
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&keyA, "key-a", "", "`file` of the key of A (default: in its directory)")
	cmd.Flags().StringVar(&keyB, "key-b", "", "`file` of the key of B")
	cmd.Flags().BoolVar(&all, "all", false, "list what matches, too")
	form = outputFlag(cmd)
	return cmd
}

func matchColumns() []column[match] {
	either := func(m match) *matchEnd {
		if m.A != nil {
			return m.A
		}
		return m.B
	}
	return []column[match]{
		{"RESULT", func(m match) string { return string(m.Result) }},
		{"LINK", func(m match) string { return m.Link }},
		{"NUMBER", func(m match) string { return m.Number }},
		{"BEGAN (UTC)", func(m match) string { return either(m).Begin.Format("2006-01-02 15:04:05.000") }},
		{"CALLER", func(m match) string { return either(m).Caller }},
		{"OPERATION", func(m match) string { return either(m).Operation }},
	}
}

func endOf(e *record.End) *matchEnd {
	if e == nil {
		return nil
	}
	return &matchEnd{e.Begin, e.Caller, e.Operation, e.Request.String(), e.Response.String()}
}
