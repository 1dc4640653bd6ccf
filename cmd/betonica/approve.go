package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

func approveCommand(env environment) *cobra.Command {
	var as, spki string
	var req adminapi.ApproveRequest
	var form *output
	cmd := &cobra.Command{
		Use:   "approve CODE --as ROLE/NAME | PROPOSAL",
		Short: "Say who a machine is that asks, or yes to what takes two people",
		Long: `Say who a machine is that asks without a credential, and let it have its
certificate.

The machine shows a code, and so does betonica approve list: compare all of it,
at the machine or with somebody who stands there. What it says of its own names
proves nothing, and neither does its address. The code is made of its key and of
a number that the CA drew; what is approved is the whole key. Where two requests
have one code, --spki says which is meant.

The identity that --as names is made if it is not on record. One that has
enrolled before takes --replace, which revokes what it holds. The machine comes
back by itself, within minutes; until it has, betonica approve deny takes the
approval back. A request that nobody decides lapses after 24 hours.

A PROPOSAL, such as P-7ZK4-09TM, is what another person wants to do and nobody may
do alone: a token for a privileged role, or for an identity that was revoked, a
policy that lets more through, a right for a time. You agree to it with your own
certificate, if another answers for you than for whoever proposed it; root on the
CA's own host cannot. Look at it before: betonica approve show PROPOSAL.`,
		Example: `  betonica approve list
  betonica approve 7ZK4-09TM --as device/pump-7 --owner 'ward 3'
  betonica approve 7ZK4-09TM --as device/pump-7 --replace    # a new board in the old pump
  betonica approve 7ZK4-09TM                                 # its join token says who it is
  betonica approve deny 7ZK4-09TM
  betonica approve P-7ZK4-09TM --url https://ca.hospital.example:8443 --dir ~/.betonica`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			if err := oneArg("CODE")(cmd, args); err != nil {
				return err
			}
			if id, ok := proposalOf(args[0]); ok {
				if as != "" || spki != "" || req.Owner != "" || req.Replace {
					return usagef("%s is a proposal: --as, --owner, --replace and --spki are for machines", id)
				}
				daemon, err := connect(cmd)
				if err != nil {
					return err
				}
				defer daemon.Close()
				return agree(cmd.Context(), env, daemon, *form, id)
			}
			code, err := api.ParseCode(args[0])
			if err != nil {
				return usagef("%q is %v; betonica approve list has those that wait", args[0], err)
			}
			if as != "" {
				var ok bool
				if req.Role, req.Name, ok = strings.Cut(as, "/"); !ok || req.Role == "" || req.Name == "" {
					return usagef("--as %q: want ROLE/NAME, such as device/pump-7", as)
				}
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			q, err := requestOf(cmd.Context(), daemon, code, spki, "waiting")
			if err != nil {
				return err
			}
			if as == "" && q.Identity == "" {
				return usagef("betonica approve needs --as ROLE/NAME: nothing that this machine has shown says who it is")
			}
			req.SPKI = q.SPKI
			done, err := daemon.Approve(cmd.Context(), q.ID, req)
			if err != nil {
				err = fmt.Errorf("approving %s: %w", code, interrupted(cmd.Context(), err))
				return advise(err, "betonica approve list", exitNotFound)
			}
			if *form != asTable {
				return writeOne(env, *form, done, nil)
			}
			fmt.Fprintf(env.stderr, "%s is %s: %s key %s, which asked from %s; its certificate waits for it, %s\n",
				done.Code, done.Identity, done.KeyType, done.SPKI, done.Address, until(done.Expires, env.now()))
			return nil
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "`ROLE/NAME` that the machine is enrolled as")
	cmd.Flags().StringVar(&req.Owner, "owner", "", "`who` answers for an identity that is made")
	cmd.Flags().BoolVar(&req.Replace, "replace", false, "let an identity that has certificates enrol anew; they are superseded")
	cmd.Flags().StringVar(&spki, "spki", "", "SHA-256, in `hex`, of the key that is meant, where two have one code")
	cmd.RegisterFlagCompletionFunc("as", cobra.NoFileCompletions)
	cmd.ValidArgsFunction = completeCodes(env)
	daemonFlags(cmd)
	form = outputFlag(cmd)
	cmd.AddCommand(approveListCommand(env), approveShowCommand(env), approveDenyCommand(env))
	return cmd
}

// requestOf returns the only request of that code, and key, in one of these states.
func requestOf(ctx context.Context, daemon *adminapi.Client, code, spki string, states ...string) (adminapi.Request, error) {
	var found, others []adminapi.Request
	for q, err := range allRequests(ctx, daemon, adminapi.RequestFilter{Code: code}) {
		switch {
		case err != nil:
			return adminapi.Request{}, fmt.Errorf("looking for %s: %w", code, interrupted(ctx, err))
		case spki != "" && !strings.EqualFold(q.SPKI, spki):
		case slices.Contains(states, q.State):
			found = append(found, q)
		default:
			others = append(others, q)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		text := fmt.Sprintf("%d requests have the code %s, so that a code does not say which is meant", len(found), code)
		for _, q := range found {
			text += fmt.Sprintf("\n  %s  asked %s from %s", q.SPKI, q.Created.UTC().Format(time.DateTime), q.Address)
		}
		return adminapi.Request{}, &advice{&conflictError{text}, "compare the whole hash with the machine's, and add --spki HASH"}
	case len(others) > 0:
		q := others[0] // the newest
		text := "it has lapsed: the machine has to ask again, and shows another code then"
		switch q.State {
		case "approved", "used":
			text = fmt.Sprintf("%s as %s by %s", q.State, q.Identity, q.DecidedBy)
		case "denied":
			text = "denied by " + q.DecidedBy
		}
		return adminapi.Request{}, &conflictError{fmt.Sprintf("%s is not waiting: %s", code, text)}
	}
	return adminapi.Request{}, &advice{fmt.Errorf("looking for %s: %w", code, errNoRequest), "betonica approve list"}
}

var errNoRequest = errors.New("no machine that shows this code has asked since yesterday")

// until says how long something lasts: "for 59 min".
func until(t, now time.Time) string {
	return strings.Replace(relative(t, now), "in ", "for ", 1)
}
