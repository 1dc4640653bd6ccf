package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/demo"
)

func demoCommand(env environment) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo [--keep]",
		Short: "See a CA at work on this machine: enrol, renew, revoke, verify",
		Long: `demo makes a CA in a temporary folder and plays its main job on the loopback, with
real processes: two pumps and a gateway enrol, call each other and renew; one pump is
revoked and loses all it had; the CA stops; somebody edits the audit log. It prints
what it saw at each of ten steps, and fails if that is not what it should be.`,
		Example: `  betonicad demo
  betonicad demo --keep       # leave it running afterwards, and play on`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err != nil {
				return err
			}
			err = demo.Run(cmd.Context(), demo.Config{Program: program, Keep: keep, Out: env.stdout, Notes: env.stderr})
			if errors.Is(err, context.Canceled) {
				return fmt.Errorf("interrupted; everything that ran has ended: %w", err)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave everything running after the last step, until Ctrl-C")
	return cmd
}

// demoPeerCommand is one of demo's machines. It does what demo asks of it over
// standard input and output.
func demoPeerCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use:    "demo-peer",
		Short:  "Be a machine of demo",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Serve(cmd.Context(), struct {
				io.ReadCloser
				io.Writer
			}{os.Stdin, env.stdout}, env.stderr)
		},
	}
}
