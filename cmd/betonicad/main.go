// Command betonicad is the certificate authority's daemon, and what its operator
// runs on its host: it makes a CA, serves it, and verifies its log. People and
// machines elsewhere use betonica.
//
// The parts are packages of their own; this one reads the command line, opens
// them in order, and closes them in the other order.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/betonica/betonica/store"
)

func main() {
	syscall.Umask(0o077) // nothing that the daemon writes is for others
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, environment{os.Stdout, os.Stderr, os.Getenv}, os.Args[1:])
	stop()
	if err != nil {
		tellAll(os.Stderr, "error: "+err.Error())
	}
	if trouble := store.TroubleOfStore(err); trouble != "" {
		fmt.Fprintln(os.Stderr, trouble)
	}
	os.Exit(exitCode(err))
}

// An environment is what a verb knows of the process it runs in.
type environment struct {
	stdout io.Writer // data, in a form that stays
	stderr io.Writer // everything else
	getenv func(string) string
}

// run runs one command line.
func run(ctx context.Context, env environment, args []string) error {
	root := commands(env)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// commands returns the tree of all commands.
func commands(env environment) *cobra.Command {
	root := &cobra.Command{
		Use:               "betonicad",
		Short:             "Betonica's certificate authority",
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              cobra.ArbitraryArgs,
		RunE:              group,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags(), env.getenv) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err.Error()} })
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.AddCommand(
		initCommand(env), joinCommand(env), serveCommand(env),
		auditCommand(env), rootCommand(env), rotateCommand(env), doctorCommand(env),
		backupCommand(env), restoreCommand(env), recoverCommand(env),
		demoCommand(env), demoPeerCommand(env), versionCommand(env),
	)
	return root
}

// group is what a command does that only has commands below it.
func group(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("there is no command %q; %s --help lists them", args[0], cmd.CommandPath())
	}
	return cmd.Help()
}

// fromEnvironment gives each flag that the command line leaves out the value of
// its variable: $BETONICA_TRUST_DOMAIN for --trust-domain.
func fromEnvironment(flags *pflag.FlagSet, getenv func(string) string) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "BETONICA_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := getenv(name)
		if f.Changed || value == "" || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = usagef("$%s: %v", name, err)
		}
	})
	return failed
}

// A usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// noArgs refuses arguments beside flags.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, and got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// needs names the first of these flags that has no value.
func needs(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Lookup(name).Value.String() == "" {
			return usagef("%s needs --%s; see %s --help", cmd.CommandPath(), name, cmd.CommandPath())
		}
	}
	return nil
}

// exitCode is 0, 1 for what failed, 2 for a command line that makes no sense, or 14 for
// warnings that were not to pass.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return 2
	}
	if _, ok := errors.AsType[*strictError](err); ok {
		return exitStrict
	}
	return 1
}
