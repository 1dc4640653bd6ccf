package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The daemon's certificate is renewed at half its life, and what failed is tried
// again each minute, while the old one goes on.
func TestCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var issued atomic.Int32
		var fail atomic.Bool
		c := &Certificate{Now: time.Now, Log: slog.New(slog.DiscardHandler), Issue: func(context.Context) (tls.Certificate, error) {
			if fail.Load() {
				return tls.Certificate{}, errors.New("the store is down")
			}
			issued.Add(1)
			now := time.Now()
			return tls.Certificate{Leaf: &x509.Certificate{NotBefore: now, NotAfter: now.Add(24 * time.Hour)}}, nil
		}}
		_, err := c.Current()
		require.Error(t, err, "before the first one there is none")
		require.Error(t, c.Valid())
		require.NoError(t, c.Renew(t.Context()))

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		advance := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		advance(11*time.Hour + 59*time.Minute)
		require.EqualValues(t, 1, issued.Load())
		advance(2 * time.Minute)
		require.EqualValues(t, 2, issued.Load())

		fail.Store(true)
		advance(24*time.Hour - 2*time.Minute)
		require.NoError(t, c.Valid())
		advance(5 * time.Minute)
		require.ErrorContains(t, c.Valid(), "expired")
		_, err = c.Current()
		require.NoError(t, err)
		fail.Store(false)
		advance(time.Minute)
		require.EqualValues(t, 3, issued.Load())
		require.NoError(t, c.Valid())
		cancel()
		require.NoError(t, <-done)
	})
}
