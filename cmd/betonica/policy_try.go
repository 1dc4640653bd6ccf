package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// errRefuses is why policy test fails: what would be refused has been written.
var errRefuses = errors.New("something that was issued would be refused")

func policyTestCommand(env environment) *cobra.Command {
	var since string
	var form *output
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Try a policy on what was asked for before; - reads stdin",
		Long: `Try a policy on what was asked for before, up to 90 days: what was issued and would
be refused, and what was refused and would not be. Nothing changes.

Each line is a role and the key of it that decides, with how many requests there
were and some of them. Of what was refused the log does not have the names that
were asked for: what those decide is counted as unknown. The exit code is 1 if
something that was issued would be refused.`,
		Example: `  betonica policy test policy.toml
  betonica policy test policy.toml --since 7d -o json`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readAll(env, args[0])
			if err != nil {
				return err
			}
			from, err := moment(since, env.now())
			if err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			all, err := tryPolicy(cmd.Context(), daemon, adminapi.ReplayRequest{Text: string(text), Since: from})
			if err != nil {
				return fmt.Errorf("trying %s: %w", args[0], interrupted(cmd.Context(), err))
			}
			if err := all.write(env, *form); err != nil {
				return err
			}
			if all.Refused > 0 {
				return errRefuses
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&since, "since", "90d", "how far back: `when`, such as 90d")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// A trial is what a policy would change, gathered.
type trial struct {
	Judged  int        `json:"judged"`
	Unknown int        `json:"unknown"`
	Refused int        `json:"refused"` // that were issued
	Allowed int        `json:"allowed"` // that were refused
	Groups  []*decided `json:"groups"`
}

// A decided is what one key of a role decides; there are as many as policy has keys.
type decided struct {
	Was      string    `json:"was"`
	Role     string    `json:"role"`
	Key      string    `json:"key,omitempty"`
	Count    int       `json:"count"`
	Reason   string    `json:"reason"` // of the newest
	Examples []string  `json:"examples"`
	Newest   time.Time `json:"newest"`
}

const (
	maxGroups   = 1000
	maxExamples = 3
)

// tryPolicy asks for part after part, and keeps what they have in common.
func tryPolicy(ctx context.Context, daemon *adminapi.Client, req adminapi.ReplayRequest) (*trial, error) {
	t := &trial{Groups: []*decided{}}
	for {
		part, err := daemon.TestPolicy(ctx, req)
		if err != nil {
			return nil, err
		}
		t.Judged += part.Judged
		t.Unknown += part.Unknown
		for _, c := range part.Changed {
			t.add(c)
		}
		if req.Token = part.Next; req.Token == "" {
			return t, nil
		}
	}
}

func (t *trial) add(c adminapi.Replayed) {
	if c.Was == "issued" {
		t.Refused++
	} else {
		t.Allowed++
	}
	i := slices.IndexFunc(t.Groups, func(g *decided) bool { return g.Was == c.Was && g.Role == c.Role && g.Key == c.Key })
	if i < 0 {
		if len(t.Groups) == maxGroups {
			return // counted all the same
		}
		i = len(t.Groups)
		t.Groups = append(t.Groups, &decided{Was: c.Was, Role: c.Role, Key: c.Key, Reason: c.Reason, Newest: c.At})
	}
	g := t.Groups[i]
	g.Count++
	if len(g.Examples) < maxExamples && !slices.Contains(g.Examples, c.Identity) {
		g.Examples = append(g.Examples, c.Identity)
	}
}

func (t *trial) write(env environment, form output) error {
	if form != asTable {
		return writeOne(env, form, t, nil)
	}
	columns := []column[*decided]{
		{"WAS", func(g *decided) string { return g.Was }},
		{"ROLE", func(g *decided) string { return g.Role }},
		{"KEY", func(g *decided) string { return g.Key }},
		{"COUNT", func(g *decided) string { return fmt.Sprint(g.Count) }},
		{"WHY", func(g *decided) string { return g.Reason }},
		{"SUCH AS", func(g *decided) string { return strings.Join(g.Examples, " ") }},
	}
	if len(t.Groups) > 0 {
		if err := writeList(env, form, columns, sequence(t.Groups)); err != nil {
			return err
		}
	}
	fmt.Fprintf(env.stderr, "%d requests were decided again: %d that were issued would be refused, %d that were refused would not be; of %d too little is on record\n",
		t.Judged, t.Refused, t.Allowed, t.Unknown)
	return nil
}
