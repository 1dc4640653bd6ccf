package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/guard"
)

func guardRunCommand(env environment) *cobra.Command {
	var example bool
	var ready string
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Serve the routes that a file names",
		Long: `Serve all routes that FILE names, in both modes. A key in it that is not known, or a
value that cannot be used, stops the start. --example prints a file to begin with,
in which a comment explains each key.

SIGHUP reads FILE again: routes are added, removed and changed, and connections of
those that stay as they are stay, too. A FILE that cannot be used leaves all as it
was. Rules are read again when their file changes. SIGTERM ends it well.`,
		Example: `  betonica guard run --example > guard.toml
  betonica guard run guard.toml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if example {
				return noArgs(cmd, args)
			}
			return oneArg("FILE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if example {
				_, err := env.stdout.Write(guard.Example())
				return err
			}
			read := func() (guard.Config, error) {
				c, err := guard.ReadFile(args[0])
				if c.Agent.Keep {
					c.Agent.TokenFile = tokenPath(env, c.Agent.TokenFile)
				}
				return c, err
			}
			c, err := read()
			if err != nil {
				return err
			}
			return runGuard(cmd.Context(), env, c, ready, read, filepath.Dir(args[0]))
		},
	}
	cmd.Flags().BoolVar(&example, "example", false, "print a file to begin with")
	readyFlag(cmd, &ready)
	return cmd
}
