package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/revoke/peer"
)

// relayDir is where a relay keeps the lists that it serves, in the machine's
// directory.
const relayDir = "relay"

// relayFlags say whether an agent serves the revocation lists to its neighbours.
type relayFlags struct {
	address string
}

func (r *relayFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.address, "relay", "", "serve the revocation lists to neighbours at this `address`, such as :8081")
}

// start serves the lists until ctx ends, with those from url, which may be empty.
// The channel is closed once that has ended.
func (r *relayFlags) start(ctx context.Context, a *agent.Agent, conf agent.Config, url string) (<-chan struct{}, error) {
	done := make(chan struct{})
	if r.address == "" {
		close(done)
		return done, nil
	}
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		return nil, fmt.Errorf("listening for neighbours: %w", err)
	}
	p, err := peer.Open(ctx, peer.Config{
		Source: a, URL: url, State: filepath.Join(conf.Dir, relayDir), Log: conf.Log,
		Allow: []string{a.Credential().ID()}, // nobody connects to it
	})
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("relaying revocation lists: %w", err)
	}
	server := &http.Server{
		Handler: p.Relay(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(conf.Log.Handler(), slog.LevelDebug),
	}
	conf.Log.InfoContext(ctx, "relaying revocation lists", "address", l.Addr().String())
	var both sync.WaitGroup
	both.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			conf.Log.ErrorContext(ctx, "no revocation lists are relayed any more", "error", err)
		}
	})
	both.Go(func() {
		<-ctx.Done()
		p.Close() // which ends the streams
		server.Close()
	})
	go func() { both.Wait(); close(done) }()
	return done, nil
}
