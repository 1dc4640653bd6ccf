package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func tokenListCommand(env environment) *cobra.Command {
	var filter adminapi.TokenFilter
	var form *output
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List join tokens, the newest first; their secrets are not known",
		Example: `  betonica token list --open`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			now := env.now()
			columns := []column[adminapi.Token]{
				{"ID", func(t adminapi.Token) string { return t.ID }},
				{"FOR", func(t adminapi.Token) string { return t.Role + "/" + t.Name }},
				{"STATE", func(t adminapi.Token) string { return tokenState(t, now) }},
				{"USED", func(t adminapi.Token) string { return fmt.Sprintf("%d of %d", t.Uses, t.MaxUses) }},
				{"EXPIRES", func(t adminapi.Token) string { return relative(t.Expires, now) }},
				{"OWNER", func(t adminapi.Token) string { return t.Owner }},
				{"MADE BY", func(t adminapi.Token) string { return t.CreatedBy }},
			}
			all := adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Token], error) {
				return daemon.Tokens(ctx, filter, p)
			})
			return interrupted(cmd.Context(), writeList(env, *form, columns, all))
		},
	}
	cmd.Flags().StringVar(&filter.Role, "role", "", "only for this `role`")
	cmd.Flags().StringVar(&filter.Name, "name", "", "only for exactly this `name` or pattern")
	cmd.Flags().BoolVar(&filter.Open, "open", false, "only what could still be spent")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// tokenState says whether a token could still be spent, and if not, why.
func tokenState(t adminapi.Token, now time.Time) string {
	switch {
	case t.Revoked != nil:
		return "revoked"
	case t.Uses >= t.MaxUses:
		return "spent"
	case now.After(t.Expires):
		return "expired"
	}
	return "open"
}
