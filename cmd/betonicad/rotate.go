package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A rotation is what rotate was asked to do.
type rotation struct {
	dir                string
	key                rootKey
	caKey              string
	overlap, pace      time.Duration
	stop, back, resume bool
}

func rotateCommand(env environment) *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use:   "rotate --dir DIR --root-key FILE",
		Short: "Make the next intermediate, and move the fleet to it",
		Long: `rotate makes the next intermediate: a new key under the daemon's passphrase,
certified by the root, which also signs its CRL anew. It needs the root's key for a
moment. The daemon may run, and takes it over at SIGHUP; one that does not run, when
it starts.

For the time of --overlap the next intermediate is only made known: its certificate,
its CRL and its OCSP answers are served, and chain.crl.pem has its list. Then it
issues, to whoever enrols or renews. With --pace machines are asked to renew before
they would, evenly over that time; machines learn it within nine hours, ACME clients
by their renewal information. betonica status shows how far it is.

Peers trust the root, and find the intermediate in the handshake: no certificate is
refused on the way. The earlier intermediate goes on signing its CRL and OCSP answers
until its last certificate has ended. To have it refused after that, revoke it:
betonicad root sign-crl --revoke.

	--stop     ask nobody any more; before the overlap is over, do not issue either
	--back     the earlier intermediate issues again
	--resume   go on after --stop or --back; with --pace or --overlap, at those from now`,
		Example: `  betonicad rotate --dir ca --root-key /media/safe/ca.root/root.key --pace 168h
  betonicad rotate --dir ca --stop
  systemctl kill --signal HUP betonica`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			if !r.stop && !r.back && !r.resume {
				if err := needs(cmd, "root-key"); err != nil {
					return err
				}
			}
			return r.run(env, cmd.Flags())
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.dir, "dir", "", "folder of the CA")
	rootKeyFlags(f, &r.key)
	f.StringVar(&r.caKey, "ca-key", "", "pkcs11:... to make the next intermediate's key in an HSM; default: where the last one's is")
	f.DurationVar(&r.overlap, "overlap", 24*time.Hour, "time for which the next intermediate is only made known; 0: it issues at once")
	f.DurationVar(&r.pace, "pace", 0, "time over which the fleet is asked to renew; 0: everyone renews when due")
	f.BoolVar(&r.stop, "stop", false, "stop moving the fleet")
	f.BoolVar(&r.back, "back", false, "have the earlier intermediate issue again")
	f.BoolVar(&r.resume, "resume", false, "go on, also at another pace or overlap")
	cmd.MarkFlagsMutuallyExclusive("stop", "back", "resume")
	cmd.AddCommand(rotateLogKeyCommand(env))
	return cmd
}

// rootKeyFlags are those of every ceremony.
func rootKeyFlags(f *pflag.FlagSet, k *rootKey) {
	f.StringVar(&k.file, "root-key", "", "file with the root's key")
	f.StringVar(&k.passphrase, "root-passphrase-file", "", "file with its passphrase (default: passphrase beside the key)")
}

// bounds of what rotate takes.
const maxOverlap, maxPace = 90 * 24 * time.Hour, 366 * 24 * time.Hour

func (r rotation) run(env environment, flags *pflag.FlagSet) error {
	if r.overlap < 0 || r.overlap > maxOverlap || r.pace < 0 || r.pace > maxPace {
		return usagef("--overlap is from 0 to %s, and --pace from 0 to %s", maxOverlap, maxPace)
	}
	c, err := begin(r.dir)
	if err != nil {
		return err
	}
	defer c.end()
	now := time.Now().UTC().Truncate(time.Second)
	var text string
	switch {
	case r.stop:
		text, err = c.stop(now)
	case r.back:
		text, err = c.back()
	case r.resume:
		var anew change
		if flags.Changed("pace") {
			anew.pace = &r.pace
		}
		if flags.Changed("overlap") {
			anew.overlap = &r.overlap
		}
		text, err = c.resume(now, anew)
	default:
		return r.make(env, c, now)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "%s; send the daemon SIGHUP\n", text)
	return nil
}

// make makes the next intermediate.
func (r rotation) make(env environment, c *ceremony, now time.Time) error {
	if m := c.secrets.roster.Move; m != nil && c.secrets.roster.issuing(now) != m.To && c.fit(m.To) == nil {
		return errors.New("there is a next intermediate already, which does not issue yet; see betonicad rotate --resume, or revoke it with betonicad root sign-crl")
	}
	root, err := r.key.open(c)
	if err != nil {
		return err
	}
	next, err := c.next(env, root, r.caKey)
	if err != nil {
		return err
	}
	if _, err := c.state(root); err != nil {
		return err
	}
	if err := c.enter(next, now, r.overlap, r.pace); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, next.id)
	fmt.Fprintf(env.stderr, "made %q, above is its key identifier; it issues from %s on\nsend the daemon SIGHUP, and put the root's key away\n",
		next.certificate.Subject, c.secrets.roster.Move.Begins.Format(time.RFC3339))
	return nil
}
