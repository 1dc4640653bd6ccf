package guard

import (
	"context"
	"log/slog"
	"time"

	"github.com/betonica/betonica/enroll/agent"
)

// OpenAs is Open with an identity that is in no directory.
func OpenAs(ctx context.Context, c Config, o Options, who identity) (*Guard, error) {
	return openAs(ctx, c, o, who)
}

// Hurry makes handshakes time out sooner.
func (g *Guard) Hurry(d time.Duration) { g.handshakeWithin = d }

// Parse reads a configuration.
func Parse(file string, text []byte) (Config, error) { return parse(file, text) }

// OpenDirectory opens the identity in a directory, and returns what looks there again.
func OpenDirectory(path string, log *slog.Logger) (identity, func(context.Context), error) {
	d, err := openDirectory(path, func(*agent.Config) error { return nil }, log)
	if err != nil {
		return nil, nil, err
	}
	return d, d.refresh, nil
}

// Pending returns how many handshakes are under way.
func (g *Guard) Pending() int {
	g.handshakes.mu.Lock()
	defer g.handshakes.mu.Unlock()
	return g.handshakes.all
}
