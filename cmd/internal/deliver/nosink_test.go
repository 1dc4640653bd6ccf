package deliver_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
)

// Without a receiver it runs all the same until it is ended: a daemon stops once one of its
// parts does.
func TestNoSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- deliver.New(deliver.Config{}).Run(ctx) }()
		synctest.Wait()
		require.Empty(t, ended)
		cancel()
		require.NoError(t, <-ended)
	})
}
