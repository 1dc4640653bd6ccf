package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/guard/grants"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

func policyUnusedCommand(env environment) *cobra.Command {
	var from evidence
	var file, since string
	var machines bool
	var form *output
	cmd := &cobra.Command{
		Use:   "unused --journal DIR | --archive",
		Short: "List what guards allow and nobody has used",
		Long: `List the grants that nobody has used for a while, by the records of guards: a
rule for each of the peers that it names. They can be taken back without loss.
The rules are those of the policy in force, or of a file of a guard's.

With --machines, list the machines instead that used a rule once and no more.`,
		Example: `  betonica policy unused --journal /etc/gw/journal --rules /etc/gw/rules.toml
  betonica policy unused --records gw-1.jsonl --records gw-2.jsonl --for 180d -o json
  betonica policy unused --archive --machines`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			before, err := moment(since, env.now())
			if err != nil {
				return err
			}
			var c grants.Collector
			if err := from.collect(cmd, &c); err != nil {
				return err
			}
			reach(env, &c, before)
			list := c.Idle(before)
			if !machines {
				all, err := rulesInForce(cmd, file, c.TrustDomain())
				if err != nil {
					return err
				}
				list = c.Unused(all, before)
			}
			return writeList(env, *form, []column[grants.Grant]{
				{"RULE", func(g grants.Grant) string { return g.Rule }},
				{"PEER", func(g grants.Grant) string { return g.Peer }},
				{"USES", func(g grants.Grant) string { return fmt.Sprint(g.Uses) }},
				{"LAST USE", func(g grants.Grant) string { return lastUse(g.Last, env.now()) }},
			}, func(yield func(grants.Grant, error) bool) {
				for _, g := range list {
					if !yield(g, nil) {
						return
					}
				}
			})
		},
	}
	from.flags(cmd)
	cmd.Flags().StringVar(&file, "rules", "", "`file` of a guard's rules, instead of the policy in force")
	cmd.Flags().StringVar(&since, "for", "90d", "for how long nobody has used it, or since which `time`")
	cmd.Flags().BoolVar(&machines, "machines", false, "list the machines that use a rule no more")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

func lastUse(at, now time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return stamp(at, now)
}

// rulesInForce returns the rules of a file, or of all guards by the CA's policy if there
// is none.
func rulesInForce(cmd *cobra.Command, file, trustDomain string) ([]allow.Rule, error) {
	if trustDomain == "" { // there are no records: it matches nobody anyhow
		trustDomain = "trust.domain"
	}
	if file != "" {
		f, err := rulefile.Read(file, trustDomain)
		if err != nil {
			return nil, err
		}
		return f.Rules.Rules(), nil
	}
	daemon, err := connect(cmd)
	if err != nil {
		return nil, err
	}
	defer daemon.Close()
	p, err := daemon.Policy(cmd.Context())
	if err != nil {
		return nil, fmt.Errorf("reading the policy: %w", interrupted(cmd.Context(), err))
	}
	f, err := rulefile.ParsePolicy("policy", []byte(p.Text), trustDomain)
	if err != nil {
		return nil, err
	}
	return f.Rules.Rules(), nil
}
