package peer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// poll asks for one delta after the other, each answered as soon as there is one:
// for networks whose proxies hold a stream back. It goes on until nothing new came
// for three heartbeats, something is wrong, or it is time to try the stream again,
// which is [errPreferred].
func (k *keeper) poll(ctx context.Context) error {
	ctx, reset, stop := k.watch(ctx, true)
	defer stop()
	for {
		before := k.number()
		if err := k.pollOnce(ctx, before); err != nil {
			return cause(ctx, err)
		}
		if k.number() > before {
			reset()
		} else if !sleep(ctx, rand.N(soon)) { // lest old answers, given at once, keep us busy
			return context.Cause(ctx)
		}
	}
}

func (k *keeper) pollOnce(ctx context.Context, after int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url("poll")+"?after="+strconv.FormatInt(after, 10), nil)
	if err != nil {
		return err
	}
	resp, err := k.peer.conf.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusOK:
		der, err := k.peer.readList(ctx, resp)
		if err == nil {
			err = k.hear(ctx, der)
		}
		return err
	}
	return fmt.Errorf("%s: %s", req.URL, resp.Status)
}
