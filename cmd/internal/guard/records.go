package guard

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"

	carules "github.com/betonica/betonica/cmd/internal/guard/rules"
	"github.com/betonica/betonica/cmd/internal/guard/ship"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/store/audit/journal"
)

// Journal says where records are kept, and how surely.
type Journal struct {
	// Dir is the journal's directory. Default: journal in Config.Dir.
	Dir string `toml:"dir"`

	// KeyFile holds the journal's secret. Default: in Dir.
	KeyFile string `toml:"key_file"`

	// Lazy lets an access end before its record is on disk; it is within a second.
	// Default false.
	Lazy bool `toml:"lazy"`

	// BestEffort lets accesses happen though no record of them can be kept: a full disk
	// does not stop the service, and what is missing is said each minute and in the
	// journal. Default false: no record, no access.
	BestEffort bool `toml:"best_effort"`

	// Local leaves the records on this machine. Default false: the CA's archive has them,
	// too, as soon as it can be reached.
	Local bool `toml:"local"`

	// MaxBytes bounds it; at that it is as if the disk were full. Default 8 GiB.
	MaxBytes int64 `toml:"max_bytes"`
}

// openRecords opens the journal, unless records go elsewhere, and brings it to the CA's
// archive at url.
func (g *Guard) openRecords(ctx context.Context, c Config, url string) error {
	if g.records != nil {
		return nil
	}
	j, err := journal.Open(journal.Config{
		Dir: c.Journal.Dir, KeyFile: c.Journal.KeyFile, Lazy: c.Journal.Lazy, BestEffort: c.Journal.BestEffort, MaxBytes: c.Journal.MaxBytes,
		Identity:    strings.TrimPrefix(g.id.String(), "spiffe://"),
		Certificate: func() (*tls.Certificate, error) { return g.source.Certificate(), nil },
		Log:         g.log, Now: g.now,
	})
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	g.journal, g.records = j, record.Into(j)
	g.closers = append(g.closers, func() {
		if err := j.Close(); err != nil {
			g.log.Error("closing the journal", "error", err)
		}
	})
	if url == "" || c.Journal.Local {
		return nil
	}
	client := carules.NewClient(g.source, g.id.TrustDomain(), g.now)
	shipper := ship.New(ship.Config{Journal: j, URL: strings.TrimSuffix(url, "/"), Client: client, Log: g.log})
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); shipper.Run(ctx) }()
	g.closers = append(g.closers, func() { stop(); <-done; client.CloseIdleConnections() })
	return nil
}
