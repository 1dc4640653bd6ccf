package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// openOps serves health and metrics until the guard is closed.
func (g *Guard) openOps(address string) error {
	if address == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", g.readyz)
	mux.HandleFunc("GET /metrics", g.metrics)
	l, err := g.serveHTTP(address, mux)
	if err != nil {
		return fmt.Errorf("listening for ops: %w", err)
	}
	g.ops = l
	return nil
}

// openRelay serves the revocation lists to neighbours.
func (g *Guard) openRelay(address string) error {
	if address == "" {
		return nil
	}
	if _, err := g.serveHTTP(address, g.peer.Relay()); err != nil {
		return fmt.Errorf("listening for neighbours: %w", err)
	}
	return nil
}

func (g *Guard) serveHTTP(address string, h http.Handler) (*socket, error) {
	l, err := listen(context.Background(), Route{Listen: address})
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.log.Error("no longer serving", "address", address, "error", err)
		}
	}()
	g.closers = append(g.closers, func() { server.Close(); <-done })
	return l, nil
}

// readyz says whether accesses are served, and if not, why: a line for each trouble.
func (g *Guard) readyz(w http.ResponseWriter, _ *http.Request) {
	troubles := g.troubles()
	if len(troubles) == 0 {
		plain(w, http.StatusOK, "ok\n")
		return
	}
	plain(w, http.StatusServiceUnavailable, strings.Join(troubles, "\n")+"\n")
}

// troubles are what keeps the guard from its work: "name: what is wrong".
func (g *Guard) troubles() []string {
	var all []string
	say := func(name string, err error) {
		if err != nil {
			all = append(all, name+": "+strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	say("lists", g.peer.Fresh())
	leaf := g.source.Certificate().Leaf
	if now := g.now(); now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		say("identity", fmt.Errorf("the certificate is good from %s to %s only", leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	say("journal", g.records.Ready())
	say("rules", g.rules.status())
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		say("guard", errStopped)
	}
	return all
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(text))
}
