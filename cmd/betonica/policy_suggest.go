package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/guard/grants"
)

func policySuggestCommand(env environment) *cobra.Command {
	var from evidence
	var since string
	var fromRole int
	var policy bool
	cmd := &cobra.Command{
		Use:   "suggest --journal DIR | --archive",
		Short: "Write the least rules that a guard's records need",
		Long: `Write the least rules that the records of guards need, as a rule file: each with
how often it was needed, and when last. Run a guard with --observe first, for as
long as everything happens that has to: it lets through what no rule allows, and
has it on record. Read what is suggested before you enforce it: it is what was
done, rightly or not.

What all machines of a role do that were seen at all is allowed to the role, if
there are at least --from-role of them; anything else to those alone who did it.
With --policy it is written for the CA's policy, which says at which guard a rule
holds.

What it cannot know:
  What did not happen meanwhile is not allowed: the end of the month, an update,
  the way around a machine that is down.
  What was refused, or came to nothing, counts for nothing.
  Records name no person: an id in a path is a *, so that a route is of all ids;
  a rule of FHIR with a compartment is of any patient.
  A FHIR batch may do anything: its body is in no record. Allow it only to whom you
  would allow everything.
  What no rule can say is left out, and counted: AE titles with a * in them, paths
  that are unclear. What is of more than 256 peers or items becomes several rules.`,
		Example: `  betonica policy suggest --journal /etc/gw/journal > rules.toml
  betonica policy suggest --records gw-1.jsonl --records gw-2.jsonl --since 30d --policy >> policy.toml
  betonica policy suggest --archive --guard gateway/icu --since 30d --policy`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fromRole < 1 {
				return usagef("--from-role is a number of machines, from 1")
			}
			c := grants.Collector{PerGuard: policy}
			var err error
			if c.Since, err = moment(since, env.now()); err != nil {
				return err
			}
			if err := from.collect(cmd, &c); err != nil {
				return err
			}
			reach(env, &c, c.Since)
			counted, left, first, last := c.Records()
			if counted == 0 {
				return nil
			}
			if left > 0 {
				fmt.Fprintf(env.stderr, "%d of %d accesses are such that no rule can allow them: see betonica audit list\n", left, counted)
			}
			fmt.Fprintf(env.stdout, "# %d accesses, %s to %s\n\n", counted, first.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
			_, err = env.stdout.Write(grants.Write(c.Suggest(fromRole), policy))
			return err
		},
	}
	from.flags(cmd)
	cmd.Flags().StringVar(&since, "since", "", "not before this `time`: RFC 3339, or how long ago, such as 30d")
	cmd.Flags().IntVar(&fromRole, "from-role", 3, "from how many machines on that all do the same it is the role's")
	cmd.Flags().BoolVar(&policy, "policy", false, "write it for the CA's policy")
	daemonFlags(cmd)
	return cmd
}
