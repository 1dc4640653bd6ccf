package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
)

func renewCommand(env environment) *cobra.Command {
	var conf agent.Config
	var ifDue bool
	var form *output
	cmd := &cobra.Command{
		Use:   "renew --dir DIR [--if-due]",
		Short: "Renew a machine's certificate, with a new key",
		Long: `Renew the certificate in DIR over mutual TLS, with a new key, and swap the link
DIR/current to it. With --if-due nothing happens, and that is no error, before
the time that the CA gave: run it from a timer.

Where the command that --exec names, or --health, fails with the new certificate, the
one of before is put back in place, the command runs again, and this one fails.`,
		Example: `  betonica renew --dir /etc/pump
  betonica renew --dir /etc/pump --if-due --exec 'systemctl reload nginx'     # hourly`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			conf.Log = logger(env, true)
			hook(cmd, &conf)
			if err := ownKeys(&conf); err != nil {
				return err
			}
			c, renewed, err := agent.Renew(cmd.Context(), conf, ifDue)
			if err != nil {
				err = fmt.Errorf("renewing: %w", interrupted(cmd.Context(), err))
				if held, ok := errors.AsType[*agent.HeldError](err); ok {
					return &advice{err, "mend what failed, and run this again after " + held.Until.UTC().Format(time.RFC3339)}
				}
				return adviseRenewal(err, conf.Dir)
			}
			return writeHolding(env, *form, conf.Dir, c, &renewed)
		},
	}
	cmd.Flags().StringVar(&conf.Dir, "dir", "", "the machine's `directory`")
	cmd.Flags().StringVar(&conf.URL, "url", "", "the CA's `URL`, if it moved")
	cmd.Flags().BoolVar(&ifDue, "if-due", false, "only if the CA wants it renewed by now")
	hookFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// adviseRenewal says how a machine that the CA does not renew comes back.
func adviseRenewal(err error, dir string) error {
	err = advise(err, "betonica enroll --url URL --token-file FILE --out "+dir, exitNotFound)
	c, loadErr := agent.Load(dir)
	if loadErr != nil {
		return err
	}
	id := c.Certificate.Leaf.URIs[0].Path // /ROLE/NAME
	role, name, _ := strings.Cut(strings.TrimPrefix(id, "/"), "/")
	err = advise(err, "where the CA is: betonica identity show "+role+"/"+name, exitDenied)
	return advise(err, fmt.Sprintf("if the machine shall come back: betonica token create --role %s --name %s --replace, and betonica enroll with that", role, name), exitNotAllowed)
}
