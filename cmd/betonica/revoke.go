package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func revokeCommand(env environment) *cobra.Command {
	var req adminapi.RevokeRequest
	var from string
	var yes bool
	var form *output
	var waits *waiting
	cmd := &cobra.Command{
		Use:   "revoke ROLE/NAME | --serial SERIAL | --from FILE",
		Short: "End an identity on every path, or one certificate, or many",
		Long: `End an identity for good: its certificates are revoked, its tokens, renewal and
re-enrolment are closed, its names are free for others. It cannot be undone.
With --serial one certificate is revoked, and its identity lives on.

With --from all that a file names: one ROLE/NAME or serial number a line, with a
reason after a blank if it is not that of --reason; # begins a comment, and - is
standard input. A line that makes no sense stops it before anything is done. It
may be stopped and run again: what is revoked is passed over. The exit code is 1
if a line failed, and 5 if one names what is not on record.

Connected peers refuse it within a second, and cut what is open. The others
learn it from OCSP and from the revocation lists. With --wait it ends when every
connected relying party that reports to the CA says so, and names those that do
not: exit code 1 if a connected one is among them after --timeout.

Reasons: unspecified, keyCompromise, affiliationChanged, superseded,
cessationOfOperation, privilegeWithdrawn.`,
		Example: `  betonica revoke device/pump-7 --dry-run
  betonica revoke device/pump-7 --reason keyCompromise --yes
  betonica revoke device/pump-7 --yes --wait --timeout 10s
  betonica revoke --serial 01a200dc93a81fef9c9019235d322ce0
  betonica revoke --from stolen.txt --reason keyCompromise --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				req.Identity = args[0]
			}
			if !exactlyOne(req.Identity, req.Serial, from) {
				return usagef("%s takes a ROLE/NAME, --serial or --from, one of them; see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			if err := waits.check(cmd, req.DryRun); err != nil {
				return err
			}
			var file *revocationFile
			if from != "" {
				var err error
				if file, err = readRevocations(env, from, req.Reason); err != nil {
					return err
				}
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			if file != nil {
				return revokeFile(cmd.Context(), env, daemon, file, req.DryRun, yes, *waits, *form)
			}
			return revoke(cmd.Context(), env, daemon, req, yes, *waits, *form)
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Serial, "serial", "", "the certificate to revoke, by its `serial` number in hex")
	f.StringVar(&from, "from", "", "`file` that names what to revoke; - is standard input")
	f.StringVar(&req.Reason, "reason", "", "why, as RFC 5280 `name`s it (default unspecified)")
	f.BoolVar(&req.DryRun, "dry-run", false, "only say what would fall")
	f.BoolVar(&yes, "yes", false, "do not ask")
	waits = waitFlags(cmd)
	cmd.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions(revocationReasons, cobra.ShellCompDirectiveNoFileComp))
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// exactlyOne reports whether one of the texts is not empty, and no more.
func exactlyOne(texts ...string) bool {
	n := 0
	for _, text := range texts {
		if text != "" {
			n++
		}
	}
	return n == 1
}

// revoke asks, unless it was told not to, revokes, and waits if it was told to.
func revoke(ctx context.Context, env environment, daemon *adminapi.Client, req adminapi.RevokeRequest, yes bool, waits waiting, form output) error {
	what := req.Identity + req.Serial
	failed := func(err error) error {
		return adviseIdentity(fmt.Errorf("revoking %s: %w", what, interrupted(ctx, err)))
	}
	if !req.DryRun && !yes {
		if f, ok := env.stdin.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
			return usagef("revoking %s cannot be undone: say --yes, or look first with --dry-run", what)
		}
		would := req
		would.DryRun = true
		fallen, err := daemon.Revoke(ctx, would)
		if err != nil {
			return failed(err)
		}
		fmt.Fprintf(env.stderr, "This ends %s for good: %s. Go on? [y/N] ", what, summary(fallen))
		if !confirmed(env) {
			return fmt.Errorf("revoking %s: %w", what, errDeclined)
		}
	}
	fallen, err := daemon.Revoke(ctx, req)
	if err != nil {
		return failed(err)
	}
	if form == asTable && !req.DryRun {
		fmt.Fprintf(env.stderr, "revoked %s: %s\n", what, summary(fallen))
	}
	if waits.wait {
		return waits.follow(ctx, env, daemon, form, fallen)
	}
	return writeFallen(env, form, fallen)
}

// errDeclined is a person who thought better of it.
var errDeclined = fmt.Errorf("nothing was revoked (%w)", context.Canceled)

// confirmed reads a yes.
func confirmed(env environment) bool {
	line, _ := bufio.NewReader(env.stdin).ReadString('\n') // an end without a line is no
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true
	}
	return false
}

// summary says in words what falls.
func summary(f adminapi.Fallen) string {
	if f.Already {
		return "it was revoked before"
	}
	return fmt.Sprintf("%s, %s, %s, %s", count(len(f.Serials), "certificate"), count(len(f.Tokens), "unused token"),
		count(len(f.Accounts), "ACME account"), count(len(f.Names), "name"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func writeFallen(env environment, form output, f adminapi.Fallen) error {
	number := ""
	if f.Number > 0 {
		number = strconv.FormatInt(f.Number, 10)
	}
	return writeOne(env, form, f, []field{
		{"identity", f.Identity},
		{"certificates", strings.Join(f.Serials, " ")},
		{"tokens", strings.Join(f.Tokens, " ")},
		{"accounts", strings.Join(f.Accounts, " ")},
		{"requests", strings.Join(f.Requests, " ")},
		{"names", strings.Join(f.Names, " ")},
		{"crl number", number},
	})
}
