package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/compliance"
)

func complianceCommand(env environment) *cobra.Command {
	return groupCommand("compliance", "Check the safeguards of HIPAA's security rule, and collect the evidence",
		complianceCheckCommand(env), complianceReportCommand(env), complianceAttestCommand(env), complianceVerifyCommand(env), complianceSafeguardsCommand(env))
}

// profileFlag gives a command the flag --profile.
func profileFlag(cmd *cobra.Command) *string {
	profile := cmd.Flags().String("profile", compliance.Current, "`profile`: hipaa-current, or hipaa-nprm, which is proposed and no law")
	cmd.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions([]string{"hipaa-current", "hipaa-nprm"}, cobra.ShellCompDirectiveNoFileComp))
	return profile
}

// survey asks the daemon, draws how far it is, and returns the run and the files that it
// sent.
func survey(ctx context.Context, env environment, ask func(context.Context, string, func(adminapi.ComplianceEvent) error) error, profile string) (*compliance.Run, []adminapi.ComplianceFile, error) {
	line := newProgressLine(env.stderr)
	defer line.clear()
	var run *compliance.Run
	var files []adminapi.ComplianceFile
	err := ask(ctx, profile, func(e adminapi.ComplianceEvent) error {
		switch {
		case e.Total > 0:
			line.show(fmt.Sprintf("reading certificates and records %s %d of %d", bar(e.Done, e.Total), e.Done, e.Total))
		case e.Run != nil:
			run = &compliance.Run{}
			return json.Unmarshal(e.Run, run)
		case e.File != nil:
			files = append(files, *e.File)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("checking the safeguards: %w", interrupted(ctx, err))
	}
	if run == nil {
		return nil, nil, errors.New("the daemon told of no result")
	}
	return run, files, nil
}
