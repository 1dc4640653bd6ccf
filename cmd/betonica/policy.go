package main

import "github.com/spf13/cobra"

func policyCommand(env environment) *cobra.Command {
	return groupCommand("policy", "See and change the policy in force, and what guards allow",
		policyShowCommand(env), policyApplyCommand(env), policyTestCommand(env), policySuggestCommand(env), policyUnusedCommand(env), policyLintCommand(env))
}
