package peer

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/stream"
)

// maxIdle is how many events in a row may say nothing new.
const maxIdle = 1000

// listen reads the stream until it breaks or lies, or says nothing new for three
// heartbeats.
func (k *keeper) listen(ctx context.Context) error {
	ctx, reset, stop := k.watch(ctx, !k.first())
	defer stop()
	base := k.base()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url("stream"), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if n := k.number(); n > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(n, 10))
	}
	resp, err := k.peer.conf.HTTP.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s: %s", errHeldBack, req.URL, resp.Status)
	}
	k.event(Connected, base, nil)
	if k.quiet {
		k.peer.wakeRoots() // the CA is back, perhaps with another
	}
	events, idle := stream.NewReader(resp.Body), 0
	for event, data := range events.All() {
		before := k.number()
		if err := k.heard(ctx, event, data); err != nil {
			// A stream that lies changes nothing, and is left: follow comes back, at a pace.
			k.event(BadList, base, err)
			return cause(ctx, err)
		}
		if idle++; idle > maxIdle {
			return fmt.Errorf("%d events that said nothing new", maxIdle)
		}
		if k.number() > before { // what we had before may be played to us for ever
			reset()
			idle = 0
		}
	}
	if err := events.Err(); err != nil {
		return cause(ctx, err)
	}
	return cause(ctx, errEnded)
}

// heard takes one event. One that says nothing new is no error.
func (k *keeper) heard(ctx context.Context, event string, data []byte) error {
	switch event {
	case "delta":
		der := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
		n, err := base64.StdEncoding.Decode(der, data)
		if err != nil {
			return fmt.Errorf("the stream's delta: %w", err)
		}
		return k.hear(ctx, der[:n])
	case "pointer":
		var at stream.Pointer
		if err := json.Unmarshal(data, &at); err != nil {
			return fmt.Errorf("the stream's pointer: %w", err)
		}
		if at.Number <= k.number() {
			return nil
		}
		if !sleep(ctx, rand.N(soon)) {
			return ctx.Err()
		}
		if err := k.catchUp(ctx, "delta.crl"); err != nil {
			return err
		}
		if n := k.number(); n < at.Number {
			return fmt.Errorf("the stream's pointer: it is to %d, and there is only %d", at.Number, n)
		}
	}
	return nil // of a kind that is not known yet
}

// hear takes a delta that was pushed.
func (k *keeper) hear(ctx context.Context, der []byte) error {
	if k.has(der) {
		return nil
	}
	err := k.take(der, true)
	if needsFull(err) {
		k.catchUpBeside(ctx)
		return nil
	}
	if errors.Is(err, crl.ErrOld) {
		return nil // held already, as after a reconnect
	}
	return err
}

// has reports whether der is the newest delta that is held, to the byte.
func (k *keeper) has(der []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.delta != nil && k.delta.Number() == k.number() && bytes.Equal(k.delta.DER(), der)
}

// catchUpBeside fetches a newer full list when it is this machine's turn, while
// the stream goes on being heard: see [keeper.foresee].
func (k *keeper) catchUpBeside(ctx context.Context) {
	if !k.catching.CompareAndSwap(false, true) {
		return
	}
	k.peer.done.Go(func() {
		defer k.catching.Store(false)
		if !sleep(ctx, rand.N(min(jitterMost, k.peer.conf.Heartbeat))) {
			return
		}
		err := k.catchUp(ctx, "full.crl")
		if err == nil {
			err = k.catchUp(ctx, "delta.crl")
		}
		if err != nil && ctx.Err() == nil {
			k.event(BadList, k.base(), err)
		}
	})
}
