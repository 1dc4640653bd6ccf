package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

// proposalOf reads the number of a proposal, or of a power, as people write it.
func proposalOf(text string) (string, bool) {
	id, err := api.ParseProposal(text)
	return api.ProposalCode(id), err == nil
}

// agree says yes to a proposal, in the caller's own name: to what was shown a moment
// before, and nothing else.
func agree(ctx context.Context, env environment, daemon *adminapi.Client, form output, id string) error {
	p, err := daemon.Proposal(ctx, id)
	if err != nil {
		return adviseProposal(fmt.Errorf("looking for %s: %w", id, interrupted(ctx, err)))
	}
	if form == asTable {
		for _, f := range bodyFields(p) {
			fmt.Fprintf(env.stderr, "  %s: %s\n", f.name, f.value)
		}
	}
	p, err = daemon.Agree(ctx, id, adminapi.AgreeRequest{Digest: p.Digest})
	if err != nil {
		return adviseProposal(fmt.Errorf("agreeing to %s: %w", id, interrupted(ctx, err)))
	}
	if form != asTable {
		return writeOne(env, form, p, nil)
	}
	next := "another person has to agree, too"
	if p.State == "approved" {
		next = p.By + " may do it now, by the same command as before, " + until(p.Expires, env.now())
	}
	fmt.Fprintf(env.stderr, "%s, %s of %s, has your word: %s\n", p.ID, p.Kind, p.Subject, next)
	return nil
}

// disagree says no to a proposal.
func disagree(ctx context.Context, env environment, daemon *adminapi.Client, form output, id string) error {
	p, err := daemon.Disagree(ctx, id)
	if err != nil {
		return adviseProposal(fmt.Errorf("denying %s: %w", id, interrupted(ctx, err)))
	}
	if form != asTable {
		return writeOne(env, form, p, nil)
	}
	fmt.Fprintf(env.stderr, "%s is denied: %s of %s, which %s proposed\n", p.ID, p.Kind, p.Subject, p.By)
	return nil
}

func adviseProposal(err error) error {
	return advise(err, "betonica approve list --all", exitNotFound, exitConflict)
}

func approveShowCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "show PROPOSAL",
		Short: "Show all of a proposal, and who has agreed",
		Long: `Show all of a proposal, and who has agreed. Of a policy its text is last, after
what it lets through that the one in force does not.`,
		Example: `  betonica approve show P-7ZK4-09TM`,
		Args:    oneArg("PROPOSAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, ok := proposalOf(args[0])
			if !ok {
				return usagef("%q is %v; betonica approve list has those that wait", args[0], api.ErrProposal)
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			p, err := daemon.Proposal(cmd.Context(), id)
			if err != nil {
				return adviseProposal(fmt.Errorf("looking for %s: %w", id, interrupted(cmd.Context(), err)))
			}
			return writeOne(env, *form, p, append(proposalFields(p, env.now()), bodyFields(p)...))
		},
	}
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

func proposalFields(p adminapi.Proposal, now time.Time) []field {
	fields := []field{
		{"proposal", p.ID}, {"kind", p.Kind}, {"subject", p.Subject}, {"state", p.State}, {"proposed by", p.By}, {"reason", p.Reason},
		{"proposed", stamp(p.Created, now)}, {"until", stamp(p.Expires, now)}, {"digest", p.Digest},
	}
	for _, c := range p.Consents {
		fields = append(fields, field{"agreed", fmt.Sprintf("%s, for whom %s answers, %s", c.Path, c.Owner, stamp(c.At, now))})
	}
	if p.Decided != nil {
		fields = append(fields, field{p.State + " by", p.DecidedBy + ", " + stamp(*p.Decided, now)})
	}
	return fields
}

// nothingSaid is what the absence of something lets through, which whoever agrees has to
// know.
var nothingSaid = map[string]string{
	"spki":    "any key: whoever has the token enrols by it",
	"network": "anywhere",
	"owner":   "nobody",
}

// bodyFields are what is proposed. What is as usual is left out; a policy's text is the
// last.
func bodyFields(p adminapi.Proposal) []field {
	var body map[string]any
	if json.Unmarshal(p.Body, &body) != nil {
		return nil
	}
	var fields []field
	var text string
	for _, name := range slices.Sorted(maps.Keys(body)) {
		switch v := body[name].(type) {
		case []any:
			for _, item := range v {
				fields = append(fields, field{name, widening(item)})
			}
		case string:
			if name == "text" {
				text = v
				continue
			}
			if v == "" {
				v = nothingSaid[name]
			}
			fields = append(fields, field{name, v})
		case bool:
			if v {
				fields = append(fields, field{name, "yes"})
			}
		default:
			fields = append(fields, field{name, fmt.Sprint(v)})
		}
	}
	for line := range strings.Lines(text) {
		fields = append(fields, field{"text", strings.TrimRight(line, "\r\n")})
	}
	return fields
}

// widening is one of a policy, for people.
func widening(item any) string {
	w, ok := item.(map[string]any)
	if !ok {
		return fmt.Sprint(item)
	}
	part := func(name string) string { s, _ := w[name].(string); return s }
	switch {
	case part("role") == "":
		return fmt.Sprintf("rule %q: %s", part("key"), part("what"))
	case part("key") == "":
		return fmt.Sprintf("role %q: %s", part("role"), part("what"))
	}
	return fmt.Sprintf("role %q: %s: %s", part("role"), part("key"), part("what"))
}
