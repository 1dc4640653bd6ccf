package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/revoke/evidence"
)

// listen takes lists from relying parties for a while, where they fetch theirs.
func (r recovering) listen(ctx context.Context, env environment, c *server.Config, known *evidence.Evidence) error {
	if r.wait <= 0 || r.wait > 24*time.Hour {
		return usagef("--for is up to 24h")
	}
	address := c.Server.HTTP
	if r.http != "" {
		var err error
		if address, err = server.ParseAddress(r.http); err != nil {
			return usagef("--http: %v", err)
		}
	}
	l, err := net.Listen("tcp", address.String())
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "listening at %s for %s; relying parties bring their lists\n", l.Addr(), r.wait)
	var mu sync.Mutex
	s := server.CollectEvidence(func(der []byte) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		news, err := known.Add(der)
		if err == nil && news {
			fmt.Fprintf(env.stderr, "a list came: numbers up to %d are known\n", known.Number())
		}
		return news, asRequestError(err)
	})
	timer := time.AfterFunc(r.wait, func() { s.Close() })
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	mu.Lock() // whoever was being heard is done
	defer mu.Unlock()
	return context.Cause(ctx)
}
