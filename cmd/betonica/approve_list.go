package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func approveListCommand(env environment) *cobra.Command {
	var filter adminapi.RequestFilter
	var all bool
	var form *output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the machines and the proposals that wait for approval, the newest first",
		Long: `List the machines that wait for approval, the newest first. What stands under
CLAIMS is what a machine says of itself: anybody can say it.

Proposals, which take two people, come after the machines; in JSON they are those
with a kind. With --role there are machines alone.`,
		Example: `  betonica approve list
  betonica approve list --all -o ndjson     # those that were decided, or lapsed, too`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			filter.Open = !all
			now := env.now()
			columns := []column[adminapi.Request]{
				{"CODE", func(q adminapi.Request) string { return q.Code }},
				{"ASKED", func(q adminapi.Request) string { return relative(q.Created, now) }},
				{"ROLE", func(q adminapi.Request) string { return q.Role }},
				{"FROM", func(q adminapi.Request) string { return q.Address }},
				{"KEY", func(q adminapi.Request) string { return q.KeyType + " " + q.SPKI[:min(16, len(q.SPKI))] }},
				{"PROOFS", func(q adminapi.Request) string { return q.Proofs }},
				{"CLAIMS", func(q adminapi.Request) string { return claims(q.Claims) }},
			}
			if all {
				columns = append(columns,
					column[adminapi.Request]{"STATE", func(q adminapi.Request) string { return q.State }},
					column[adminapi.Request]{"AS", func(q adminapi.Request) string { return q.Identity }},
					column[adminapi.Request]{"BY", func(q adminapi.Request) string { return q.DecidedBy }})
			}
			var proposals []adminapi.Proposal
			if filter.Role == "" {
				if proposals, err = allProposals(cmd.Context(), daemon, !all); err != nil {
					return interrupted(cmd.Context(), err)
				}
			}
			requests := allRequests(cmd.Context(), daemon, filter)
			if *form != asTable {
				return interrupted(cmd.Context(), writeList(env, *form, nil, both(requests, proposals)))
			}
			if err := writeList(env, *form, columns, requests); err != nil || len(proposals) == 0 {
				return interrupted(cmd.Context(), err)
			}
			fmt.Fprintln(env.stdout)
			return writeList(env, *form, proposalColumns(now), sequence(proposals))
		},
	}
	cmd.Flags().StringVar(&filter.Role, "role", "", "only those that ask for this `role`")
	cmd.Flags().BoolVar(&all, "all", false, "those that were decided or have lapsed, too, for a day")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

func allRequests(ctx context.Context, daemon *adminapi.Client, f adminapi.RequestFilter) iter.Seq2[adminapi.Request, error] {
	return adminapi.All(ctx, func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Request], error) {
		return daemon.Requests(ctx, f, p)
	})
}

// claims is what a machine says of itself, in quotation marks and not all of it.
func claims(c adminapi.Claims) string {
	const most = 60
	names := slices.Concat([]string{c.Identity, c.CommonName}, c.DNSNames, c.IPs)
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	if len(names) == 0 {
		return ""
	}
	text := []rune(strings.Join(names, " "))
	if len(text) > most {
		return `"` + string(text[:most]) + `..."`
	}
	return `"` + string(text) + `"`
}

// completeCodes completes a code by those that wait. Without a daemon there are none.
func completeCodes(env environment) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if applySettings(cmd.Flags(), env.getenv) != nil { // nobody has done it for a completion
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		daemon, err := connect(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer daemon.Close()
		page, err := daemon.Requests(cmd.Context(), adminapi.RequestFilter{Open: true}, adminapi.PageRequest{Limit: 100})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var codes []string
		for _, q := range page.Items {
			codes = append(codes, cobra.CompletionWithDesc(clean(q.Code), clean(q.Role+" from "+q.Address+", "+relative(q.Created, env.now()))))
		}
		return codes, cobra.ShellCompDirectiveNoFileComp
	}
}
