package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// An output is the form in which a verb writes its data: a table for people,
// JSON as the API has it, or one JSON document a line.
type output string

const (
	asTable  output = "table"
	asJSON   output = "json"
	asNDJSON output = "ndjson"
)

func (o *output) String() string { return string(*o) }
func (o *output) Type() string   { return "form" }

func (o *output) Set(s string) error {
	switch f := output(s); f {
	case asTable, asJSON, asNDJSON:
		*o = f
		return nil
	}
	return fmt.Errorf("want table, json or ndjson")
}

// outputFlag gives a command the flag -o.
func outputFlag(cmd *cobra.Command) *output {
	o := asTable
	cmd.Flags().VarP(&o, "output", "o", "how to write it: table, json or ndjson")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "ndjson"}, cobra.ShellCompDirectiveNoFileComp))
	return &o
}

// A column is one of a table, by its head.
type column[T any] struct {
	head string
	cell func(T) string
}

// tablePage is how many rows a table's columns are measured by, and held in
// memory.
const tablePage = 1000

// writeList writes items as they come: of any number of them, at most tablePage
// are held. An empty list is [] in JSON, and no line in the other forms but the
// table's head.
func writeList[T any](env environment, form output, columns []column[T], items iter.Seq2[T, error]) error {
	if form == asTable {
		return writeTable(env.stdout, columns, items)
	}
	n := 0
	for item, err := range items {
		if err != nil {
			return err
		}
		text, err := encode(item, "")
		if err != nil {
			return err
		}
		before, after := "", "\n"
		if form == asJSON {
			before, after = ",\n", ""
			if n == 0 {
				before = "[\n"
			}
		}
		if _, err := io.WriteString(env.stdout, before+text+after); err != nil {
			return err
		}
		n++
	}
	if form == asNDJSON {
		return nil
	}
	end := "\n]\n"
	if n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(env.stdout, end)
	return err
}

func writeTable[T any](w io.Writer, columns []column[T], items iter.Seq2[T, error]) error {
	var heads []string
	for _, c := range columns {
		heads = append(heads, c.head)
	}
	rows := [][]string{heads}
	widths := make([]int, len(columns))
	for item, err := range items {
		if err != nil {
			return err
		}
		var row []string
		for _, c := range columns {
			cell := clean(c.cell(item))
			if cell == "" {
				cell = "-"
			}
			row = append(row, cell)
		}
		if rows = append(rows, row); len(rows) == tablePage {
			if err := writeRows(w, rows, widths); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return writeRows(w, rows, widths)
}

// writeRows aligns rows, in columns at least as wide as those before.
func writeRows(w io.Writer, rows [][]string, widths []int) error {
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// A field is one line of what is known of one thing; one without a value is
// left out.
type field struct{ name, value string }

// writeOne writes one thing: v in JSON, or its fields for people.
func writeOne(env environment, form output, v any, fields []field) error {
	if form != asTable {
		indent := "  "
		if form == asNDJSON {
			indent = ""
		}
		text, err := encode(v, indent)
		if err != nil {
			return err
		}
		_, err = io.WriteString(env.stdout, text+"\n")
		return err
	}
	width := 0
	for _, f := range fields {
		if f.value != "" {
			width = max(width, len(f.name))
		}
	}
	var b strings.Builder
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(&b, "%-*s  %s\n", width, f.name, clean(f.value))
		}
	}
	_, err := io.WriteString(env.stdout, b.String())
	return err
}

func encode(v any, indent string) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return cleanJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// stamp writes a time for people, with how far it is from now.
func stamp(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z") + " (" + relative(t, now) + ")"
}

// relative says how far t is from now: "in 13 h", "5 min ago".
func relative(t, now time.Time) string {
	d := t.Sub(now)
	text := span(d.Abs())
	switch {
	case text == "":
		return "now"
	case d > 0:
		return "in " + text
	}
	return text + " ago"
}

func span(d time.Duration) string {
	switch {
	case d >= 2*365*24*time.Hour:
		return fmt.Sprintf("%d y", d/(365*24*time.Hour))
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d >= time.Second:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return ""
}

// atMost ends a list after n items; 0: it does not.
func atMost[T any](n int, items iter.Seq2[T, error]) iter.Seq2[T, error] {
	if n <= 0 {
		return items
	}
	return func(yield func(T, error) bool) {
		left := n
		for item, err := range items {
			if !yield(item, err) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}
