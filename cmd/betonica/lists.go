package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/revoke/bundle"
)

// listsFile is where the lists of every CA are, in the machine's directory.
const listsFile = "chain.crl.pem"

// After a hook that failed it runs again: at first after this long, at most.
const (
	hookRetryFrom = time.Second
	hookRetryTo   = time.Minute
)

// listsFlags say whether, and from where, an agent keeps the revocation lists.
type listsFlags struct {
	keepThem bool
	url      string
}

func (l *listsFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.keepThem, "lists", true, "with --exec, keep DIR/"+listsFile+" too")
	cmd.Flags().StringVar(&l.url, "lists-url", "", "the `URL` of the CA's HTTP listener, or of a relay (default: what the certificate says)")
}

// keep keeps the lists until ctx ends, and runs the hook after each change. The
// channel is closed once all of it has ended. A machine that cannot have lists
// keeps its certificate all the same.
func (l *listsFlags) keep(ctx context.Context, a *agent.Agent, conf agent.Config) <-chan struct{} {
	done := make(chan struct{})
	if !l.keepThem || len(conf.Exec) == 0 {
		close(done)
		return done
	}
	h := newHooks(func(ctx context.Context) error { return a.RunHook(ctx, agent.ChangedRevocations) }, conf.Log)
	keeper, err := bundle.New(bundle.Config{
		Path: filepath.Join(conf.Dir, listsFile), Machine: machineOf(a), URL: l.url, Changed: h.want, Log: conf.Log,
	})
	if err != nil {
		conf.Log.WarnContext(ctx, "no revocation lists are kept", "error", err, "advice", "set --lists-url, or --lists=false")
		close(done)
		return done
	}
	var both sync.WaitGroup
	both.Go(func() { keeper.Run(ctx) }) // it returns nil
	both.Go(func() { h.run(ctx) })
	go func() { both.Wait(); close(done) }()
	return done
}

// machineOf asks the agent for its newest certificates.
func machineOf(a *agent.Agent) func() (chain, roots []*x509.Certificate) {
	return func() (chain, roots []*x509.Certificate) {
		c := a.Credential()
		for _, der := range c.Certificate.Certificate {
			if cert, err := x509.ParseCertificate(der); err == nil { // it was read before
				chain = append(chain, cert)
			}
		}
		return chain, c.Roots
	}
}

// hooks runs a hook when it is wanted: once for all that wanted it since the run
// before began, and again, later and later, while it fails.
type hooks struct {
	hook   func(context.Context) error
	log    *slog.Logger
	wanted chan struct{} // holds a token if a run is due
}

func newHooks(hook func(context.Context) error, log *slog.Logger) *hooks {
	return &hooks{hook: hook, log: log, wanted: make(chan struct{}, 1)}
}

// want asks for a run that begins after now. It does not block.
func (h *hooks) want() {
	select {
	case h.wanted <- struct{}{}:
	default: // one that has not begun is due already
	}
}

// run runs what is wanted, until ctx ends.
func (h *hooks) run(ctx context.Context) {
	retry := hookRetryFrom
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wanted:
		}
		err := h.hook(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			retry = hookRetryFrom
			h.log.InfoContext(ctx, "hook ran", "changed", agent.ChangedRevocations)
			continue
		}
		pause := retry/2 + rand.N(retry/2)
		retry = min(2*retry, hookRetryTo)
		h.log.WarnContext(ctx, "failed", "step", "hook", "changed", agent.ChangedRevocations, "error", err, "retry", pause.Round(time.Millisecond))
		again := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-again.C:
		case <-h.wanted: // there is something newer
		}
		again.Stop()
		h.want()
	}
}
