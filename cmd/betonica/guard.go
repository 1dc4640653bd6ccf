package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/notify"
)

func guardCommand(env environment) *cobra.Command {
	c := groupCommand("guard", "Stand before an application, or beside a client, with mutual TLS, rules and records",
		guardServerCommand(env), guardClientCommand(env), guardRunCommand(env))
	c.Long = `Stand before an application that knows nothing of TLS, roles and records, or beside
a client of one, and do it for them: mutual TLS with revocation that is enforced
within a second, least privilege by rules, automatic logoff, and a record of each
access. What no rule allows is refused; without a record there is no access.

server stands before an application, client beside a program that calls one, and
run takes any number of both from a file.`
	return c
}

// guardFlags are what a guard of one route is told besides the route.
type guardFlags struct {
	conf        guard.Config
	route       guard.Route
	idle, age   string
	drain       time.Duration
	readyFile   string
	keepNothing bool // --no-report
}

func (f *guardFlags) register(cmd *cobra.Command, name string) {
	flags := cmd.Flags()
	flags.StringVar(&f.conf.Dir, "dir", "", "the machine's `directory`")
	flags.StringVar(&f.route.Name, "name", name, "what rules and records call the route")
	flags.StringVar(&f.route.Listen, "listen", "", "the `address` to listen at")
	flags.StringVar(&f.idle, "idle", "", "end a connection that is not used for so long, or never (default: http 15m, dicom 5m, tcp 1h, mllp never)")
	flags.StringVar(&f.age, "max-age", "", "end a connection that is so old, or never (default: http 8h, otherwise when the certificate ends)")
	flags.StringVar(&f.conf.Journal.Dir, "journal", "", "the `directory` of the records (default: DIR/journal)")
	flags.StringVar(&f.conf.Journal.KeyFile, "journal-key", "", "the `file` with the journal's secret (default: in the journal)")
	flags.BoolVar(&f.conf.Journal.Lazy, "lazy-records", false, "have records on disk within a second, not before an access ends")
	flags.BoolVar(&f.conf.Journal.BestEffort, "best-effort-records", false, "allow accesses that cannot be recorded: a full disk does not stop the service")
	flags.BoolVar(&f.conf.Journal.Local, "local-records", false, "leave the records on this machine, and do not ship them to the CA's archive")
	flags.StringVar(&f.conf.State, "state", "", "the `directory` for revocation lists (default: DIR/guard)")
	flags.StringVar(&f.conf.Ops, "ops", "", "serve /livez, /readyz and /metrics at this loopback `address`, such as 127.0.0.1:9091")
	flags.DurationVar(&f.drain, "drain", 10*time.Second, "how long connections have to end when the guard stops")
	flags.IntVar(&f.conf.MaxConnections, "max-connections", 10000, "how many connections are open at a time")
	flags.IntVar(&f.conf.MaxPerAddress, "max-per-address", 1000, "how many of them may be from one address")
	flags.BoolVar(&f.conf.NoLandlock, "no-landlock", false, "leave the guard all files that its user may open")
	flags.BoolVar(&f.conf.Agent.Keep, "agent", false, "keep the certificate in DIR fresh, too, as betonica agent does")
	flags.StringVar(&f.conf.Agent.URL, "url", "", "with --agent: the CA's `URL`, to enrol, or if it moved")
	flags.StringVar(&f.conf.Agent.TokenFile, "token-file", "", "with --agent: the `file` with the join token, to enrol (default: the systemd credential "+tokenCredential+")")
	flags.StringVar(&f.conf.Agent.Identity, "identity", "", "with --agent: `ROLE/NAME` to be called, if the token leaves it open")
	flags.StringVar(&f.conf.Agent.KeyType, "key-type", "", "with --agent: P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096, to enrol (default: P-256)")
	flags.StringVar(&f.conf.Lists.URL, "lists-url", "", "the `URL` of the CA's HTTP listener (default: what the certificate says)")
	flags.StringSliceVar(&f.conf.Lists.Relays, "relays", nil, "`URLs` of machines that relay revocation lists, asked before the CA")
	flags.StringVar(&f.conf.Lists.Serve, "relay", "", "serve the revocation lists to neighbours at this `address`, such as :8081")
	flags.BoolVar(&f.keepNothing, "no-report", false, "do not tell the CA which revocations are enforced here")
	readyFlag(cmd, &f.readyFile)
}

func readyFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "ready", "", "write the addresses to this `file` once they are open, as JSON")
}

// config is what the flags say.
func (f *guardFlags) config(env environment) (guard.Config, error) {
	for _, one := range []struct {
		flag, text string
		to         *guard.Duration
	}{{"idle", f.idle, &f.route.Idle}, {"max-age", f.age, &f.route.Age}} {
		if one.text == "" {
			continue
		}
		if err := one.to.UnmarshalText([]byte(one.text)); err != nil {
			return guard.Config{}, usagef("--%s: %v", one.flag, err)
		}
	}
	c := f.conf
	c.Drain = guard.Of(f.drain)
	c.Routes = []guard.Route{f.route}
	if f.keepNothing {
		c.Lists.Report = "none"
	}
	if c.Agent.Keep {
		c.Agent.TokenFile = tokenPath(env, c.Agent.TokenFile)
	}
	if err := c.Check(); err != nil {
		return c, usagef("%v", err)
	}
	return c, nil
}

// runGuard serves until it is told to stop. again is asked for the configuration at
// each SIGHUP; reads are folders that it reads.
func runGuard(ctx context.Context, env environment, c guard.Config, ready string, again func() (guard.Config, error), reads ...string) error {
	log := logger(env, false)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before anybody is told that it is ready
	defer signal.Stop(hup)
	boundMemory(c)
	g, err := guard.Open(ctx, c, guard.Options{Log: log, Now: env.now, Keys: ownKeys})
	if err != nil {
		return adviseRenewal(fmt.Errorf("starting: %w", interrupted(ctx, err)), c.Dir)
	}
	if ready != "" {
		if err := writeReady(ready, g, c); err != nil {
			log.ErrorContext(ctx, "nobody is told the addresses", "error", err)
		}
	}
	if err := guard.Confine(ctx, c, log, reads...); err != nil {
		log.ErrorContext(ctx, "landlock: the guard keeps all files that its user may open", "error", err)
	}
	tellManager(ctx, env, log, notify.Ready)
	context.AfterFunc(ctx, func() { tellManager(ctx, env, log, notify.Stopping) })
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-watching.Done():
				return
			case <-hup:
			}
			c, err := again()
			if err == nil {
				err = g.Reload(ctx, c)
			}
			if err != nil {
				log.ErrorContext(ctx, "the configuration before stays in force", "error", err)
				continue
			}
			boundMemory(c)
			log.InfoContext(ctx, "reloaded")
		}
	}()
	defer guardHeap().Start()()
	err = g.Run(ctx)
	stop()
	<-done
	return err
}

// writeReady writes where the routes listen, and ops, for whoever began the guard at
// port 0. Who sees the file sees all of it.
func writeReady(file string, g *guard.Guard, c guard.Config) error {
	at := struct {
		Routes map[string]string `json:"routes"`
		Ops    string            `json:"ops,omitempty"`
	}{Routes: map[string]string{}}
	for _, r := range c.Routes {
		at.Routes[r.Name] = g.Address(r.Name).String()
	}
	if ops := g.OpsAddress(); ops != nil {
		at.Ops = ops.String()
	}
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".tmp")
	if err := os.WriteFile(tmp, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
