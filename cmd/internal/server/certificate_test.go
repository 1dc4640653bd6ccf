package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The daemon's certificate is renewed at half its life, and what failed is tried
// again each minute, while the old one goes on.
func TestCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issued := 0
		var fail error
		c := &Certificate{Now: time.Now, Log: slog.New(slog.DiscardHandler), Issue: func(context.Context) (tls.Certificate, error) {
			if fail != nil {
				return tls.Certificate{}, fail
			}
			issued++
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
		require.Equal(t, 1, issued)
		advance(2 * time.Minute)
		require.Equal(t, 2, issued)

		fail = errors.New("the store is down")
		advance(24*time.Hour - 2*time.Minute)
		require.NoError(t, c.Valid())
		advance(5 * time.Minute)
		require.ErrorContains(t, c.Valid(), "expired")
		_, err = c.Current()
		require.NoError(t, err)
		fail = nil
		advance(time.Minute)
		require.Equal(t, 3, issued)
		require.NoError(t, c.Valid())
		cancel()
		require.NoError(t, <-done)
	})
}
