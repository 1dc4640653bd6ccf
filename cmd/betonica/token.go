package main

import "github.com/spf13/cobra"

func tokenCommand(env environment) *cobra.Command {
	return groupCommand("token", "Make, list and revoke join tokens", tokenCreateCommand(env), tokenListCommand(env), tokenRevokeCommand(env))
}
