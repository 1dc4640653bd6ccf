package main

import "github.com/spf13/cobra"

func policyCommand(env environment) *cobra.Command {
	return groupCommand("policy", "See and change the policy in force", policyShowCommand(env), policyApplyCommand(env))
}
