package main

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store/audit/plain"
)

// A serving is what serve was asked to do.
type serving struct {
	dir              string
	https, http, ops string // empty: as configured
	est              string // likewise; an address enables it
	socket           string
	ready            string
	acceptClock      bool
}

func serveCommand(env environment) *cobra.Command {
	var s serving
	cmd := &cobra.Command{
		Use:   "serve --dir DIR",
		Short: "Run the certificate authority of DIR",
		Long: `serve runs the CA that init made, until SIGTERM or SIGINT. SIGHUP loads the policy
file, as a change of it does, and takes over what betonicad rotate and betonicad root
sign-crl wrote. Its log goes to stderr, one JSON object a line.

On PostgreSQL any number of replicas may run (betonicad join): what SIGHUP loads on one
is in force on all a moment later, and each writes it into its own DIR.`,
		Example: `  betonicad serve --dir ca
  betonicad serve --dir ca --est :8444
  betonicad serve --dir ca --https 127.0.0.1:0 --http 127.0.0.1:0 --ops 127.0.0.1:0 --ready ready.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			return s.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "folder of the CA")
	f.StringVar(&s.https, "https", "", "address for machines, instead of the configured one; port 0 is a free one")
	f.StringVar(&s.http, "http", "", "address for relying parties, likewise")
	f.StringVar(&s.est, "est", "", "address for EST clients, likewise; it enables EST")
	f.StringVar(&s.ops, "ops", "", "address for health and metrics, likewise")
	f.StringVar(&s.socket, "socket", "", "path of the admin socket, likewise")
	f.BoolVar(&s.acceptClock, "accept-clock", false, "take the clock for right though the newest entry of the log is dated after it")
	f.StringVar(&s.ready, "ready", "", "file to write the real addresses to, as JSON, once requests are answered")
	return cmd
}

// config reads the configuration, over which flags win.
func (s serving) config(d layout) (*server.Config, error) {
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return nil, err
	}
	c.Store.AcceptClock = s.acceptClock
	for _, flag := range []struct {
		name, value string
		to          *server.Address
	}{
		{"https", s.https, &c.Server.HTTPS}, {"http", s.http, &c.Server.HTTP}, {"ops", s.ops, &c.Server.Ops}, {"est", s.est, &c.EST.Listen},
	} {
		if flag.value == "" {
			continue
		}
		if *flag.to, err = server.ParseAddress(flag.value); err != nil {
			return nil, usagef("--%s: %v", flag.name, err)
		}
	}
	c.EST.Enabled = c.EST.Enabled || s.est != ""
	if s.socket != "" {
		if c.Server.Socket, err = filepath.Abs(s.socket); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// run serves until ctx ends. What was opened last is closed first.
func (s serving) run(ctx context.Context, env environment) error {
	d, err := layoutOf(s.dir)
	if err != nil {
		return err
	}
	c, err := s.config(d)
	if err != nil {
		return err
	}
	unlock, err := lock(d, c)
	if err != nil {
		return err
	}
	defer unlock()
	tune(env.getenv, c)
	defer daemonHeap().Start()()
	logger := slog.New(slog.NewJSONHandler(plain.JSONWriter(env.stderr), nil))
	secrets, err := openSecrets(d, c)
	if err != nil {
		return err
	}
	defer secrets.close()
	listeners, err := server.Listen(c)
	if err != nil {
		return err
	}
	defer listeners.Close()
	daemon, err := open(ctx, d, c, secrets, listeners, logger)
	if err != nil {
		return err
	}
	return daemon.run(ctx, s.ready)
}
