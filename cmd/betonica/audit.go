package main

import "github.com/spf13/cobra"

func auditCommand(env environment) *cobra.Command {
	return groupCommand("audit", "Read, review, export and verify the audit log", auditListCommand(env), auditExportCommand(env), auditVerifyCommand(env), auditMatchCommand(env), auditRecordsCommand(env), auditReviewCommand(env))
}
