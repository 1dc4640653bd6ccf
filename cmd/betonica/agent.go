package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/notify"
	"github.com/betonica/betonica/enroll/agent"
)

func agentCommand(env environment) *cobra.Command {
	var conf agent.Config
	var lists listsFlags
	var relay relayFlags
	var shown proofFlags
	cmd := &cobra.Command{
		Use:   "agent --dir DIR [--exec COMMAND]",
		Short: "Keep a machine's certificate fresh until told to stop",
		Long: `Keep the certificate in DIR fresh: renew it when the CA says so, swap the link
DIR/current, run COMMAND, and hold the CA to what its log said before. What
happens goes to stderr, a line each. SIGTERM and SIGINT end it well.

With --exec it also keeps DIR/chain.crl.pem: the revocation list of every CA, in one
file, for servers such as nginx, HAProxy and PostgreSQL. COMMAND runs after each
change of it, too, as of the certificate, and finds in $BETONICA_CHANGED which it
was: certificate or revocations. The file follows a revocation within a second or
two, and COMMAND is never run twice at a time. --lists=false leaves it out.

With --relay it serves the revocation lists to other machines of the site, as the
CA does and with the CA's signatures, so that one machine listens to the CA for
many: they name http://HOST:PORT of it where they would name the CA's.

Where COMMAND, or the one that --health names, fails with a new certificate, the one
of before is put back in place, COMMAND runs again, and the new one is tried later.

A DIR that is empty is enrolled first, with --url and what betonica enroll takes. A
machine whose certificate ran out asks the CA for a late renewal, which some roles
admit; it is never enrolled anew: that takes a new token. While the CA cannot be
reached, and while it says no, the agent goes on asking, more and more slowly.`,
		Example: `  betonica agent --dir /etc/pump --exec 'systemctl reload nginx'`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			ctx := cmd.Context()
			conf.Log = logger(env, false)
			conf.TokenFile = tokenPath(env, conf.TokenFile)
			conf.Patient = true
			if shown.any() {
				conf.Prove = func() (agent.Proof, error) { return shown.agentProof(conf.TokenFile) }
			}
			hook(cmd, &conf)
			if err := shown.useTPM(&conf); err != nil {
				return err
			}
			a, err := agent.Start(ctx, conf)
			if err != nil {
				return adviseRenewal(fmt.Errorf("starting: %w", interrupted(ctx, err)), conf.Dir)
			}
			c := a.Credential()
			conf.Log.InfoContext(ctx, "watching", "identity", c.ID(), "serial", c.Serial(), "not_after", c.NotAfter(), "renew_after", c.RenewAfter)
			relayed, err := relay.start(ctx, a, conf, lists.url)
			if err != nil {
				return err
			}
			done := lists.keep(ctx, a, conf)
			tellManager(ctx, env, conf.Log, notify.Ready)
			a.Wait()
			<-done
			<-relayed
			return nil
		},
	}
	cmd.Flags().StringVar(&conf.Dir, "dir", "", "the machine's `directory`")
	cmd.Flags().StringVar(&conf.URL, "url", "", "the CA's `URL`, to enrol, or if it moved")
	cmd.Flags().StringVar(&conf.TokenFile, "token-file", "", "the `file` with the join token, to enrol (default: the systemd credential "+tokenCredential+")")
	cmd.Flags().StringVar(&conf.Request.Identity, "identity", "", "`ROLE/NAME` to be called, if the token leaves it open")
	cmd.Flags().StringVar(&conf.Request.Role, "role", "", "the `role` to have, where no token says so")
	shown.register(cmd)
	hookFlags(cmd)
	lists.register(cmd)
	relay.register(cmd)
	return cmd
}
