// Command betonica is everyone's tool but the daemon's: machines enrol, renew
// and check their certificates with it, people make tokens, look after
// identities and read the log. It is static and needs no C library, so that it
// runs on a device as it runs on a desk.
//
// It decides nothing: packages client and agent speak to the CA for machines,
// package adminapi for people. Each verb is a file of its own.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	env := environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now, terminal: isTerminal(os.Stdout),
	}
	err := run(ctx, env, os.Args[1:])
	stop()
	report(env, err)
	os.Exit(exitCode(err))
}

// An environment is what a verb knows of the process that it runs in.
type environment struct {
	stdin    io.Reader
	stdout   io.Writer // data, in a form that stays
	stderr   io.Writer // everything else
	getenv   func(string) string
	now      func() time.Time
	terminal bool // stdout is read by a person
}

// run runs one command line. Its error is for [report] and [exitCode].
func run(ctx context.Context, env environment, args []string) error {
	env.stderr = &cleanWriter{env.stderr}
	root := commands(env)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// commands returns the tree of all commands.
func commands(env environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "betonica",
		Short: "Enrol machines with a Betonica CA, and look after them",
		Long: `Enrol machines with a Betonica CA, and look after them.

Machines find their CA by --url and their certificate in --dir. People find the
daemon by --socket, $BETONICA_SOCKET, ./admin.sock or /run/betonica/admin.sock,
or by --url with a certificate of their own in --dir.

A setting that is not given as a flag is taken from $BETONICA_<FLAG>, then from
the file that --config or $BETONICA_CONFIG names (TOML: url, dir, out, socket,
output, token-file, exec, exec-timeout).

Data goes to stdout, everything else to stderr. The exit code is 0 if all is
well or there is nothing to do, 1 failed, 2 usage, 3 cancelled, 4 not allowed,
5 not found, 6 conflict, 7 refused by policy, 8 unreachable.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
	}
	root.PersistentFlags().String("config", "", "`file` with settings")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return applySettings(cmd.Flags(), env.getenv) }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef("%v; see %s --help", err, cmd.CommandPath()) })
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.AddCommand(
		enrollCommand(env), renewCommand(env), agentCommand(env), checkCommand(env), tpmCommand(env), guardCommand(env),
		tokenCommand(env), approveCommand(env), powerCommand(env), identityCommand(env), certCommand(env), revokeCommand(env), auditCommand(env), alertCommand(env), policyCommand(env), complianceCommand(env), statusCommand(env),
		versionCommand(env),
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

// groupCommand returns a command that only has commands below it.
func groupCommand(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(verbs...)
	return c
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
