package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

const (
	headersWithin = 10 * time.Second // of an answer
	catchUpWithin = time.Minute      // for all of it
	bigList       = 1 << 20          // bytes, above which one list at a time is read
)

// base returns the address that is listened to.
func (k *keeper) base() string {
	return k.peer.bases[int(k.turns.Load())%len(k.peer.bases)]
}

// turn goes on to the next address, if there is one.
func (k *keeper) turn() {
	k.turns.Add(1)
	if len(k.peer.bases) > 1 {
		k.event(Switched, k.base(), nil)
	}
}

func (k *keeper) url(file string) string { return k.base() + "/crl/" + k.id + "/" + file }

// begin gets what there is, from the first address that has it.
func (k *keeper) begin(ctx context.Context) error {
	var last error
	for left := len(k.peer.bases); left > 0; left-- {
		within, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok {
			within, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		}
		err := k.catchUp(within, "delta.crl")
		cancel()
		if err == nil {
			return nil
		}
		last = err
		k.event(BadList, k.base(), err)
		k.turn()
	}
	return last
}

// catchUp fetches a list from the address in use, and the full one before it if
// that is not held, or not new enough to build on.
func (k *keeper) catchUp(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpWithin)
	defer cancel()
	if k.force.Load() == nil {
		if err := k.fetch(ctx, k.url("full.crl")); err != nil {
			return err
		}
	}
	err := k.fetch(ctx, k.url(file))
	if needsFull(err) {
		if err = k.fetch(ctx, k.url("full.crl")); err == nil {
			err = k.fetch(ctx, k.url(file))
		}
	}
	return err
}

// fetch gets a list and takes it. One that is not newer is no error.
func (k *keeper) fetch(ctx context.Context, url string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(headersWithin, func() { cancel(errors.New("no answer came")) })
	defer slow.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Cache-Control", "no-cache") // a proxy's copy may be of before the revocation
	resp, err := k.peer.conf.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", url, cause(ctx, err))
	}
	defer resp.Body.Close()
	slow.Stop()
	if resp.StatusCode != http.StatusOK {
		k.asked(ctx, resp)
		return fmt.Errorf("fetching %s: %s", url, resp.Status)
	}
	der, err := k.peer.readList(ctx, resp)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", url, err)
	}
	if err := k.take(der, true); err != nil && !errors.Is(err, crl.ErrOld) {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

// readList reads a body that is one list: as many bytes as the list says itself
// that it has, which are looked at before there is memory for them.
func (p *Peer) readList(ctx context.Context, resp *http.Response) ([]byte, error) {
	if resp.ContentLength > p.conf.MaxList {
		return nil, fmt.Errorf("it has %d bytes, and %d are allowed", resp.ContentLength, p.conf.MaxList)
	}
	head := make([]byte, 6)
	n, err := io.ReadFull(resp.Body, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	size := sizeOf(head[:n])
	switch {
	case size < int64(n):
		return nil, errors.New("it is not DER")
	case size > p.conf.MaxList:
		return nil, fmt.Errorf("it has %d bytes, and %d are allowed", size, p.conf.MaxList)
	case resp.ContentLength >= 0 && resp.ContentLength != size:
		return nil, fmt.Errorf("it says that it has %d bytes, and there are %d", size, resp.ContentLength)
	}
	if size > bigList {
		select {
		case p.reading <- struct{}{}:
			defer func() { <-p.reading }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	der := make([]byte, size)
	copy(der, head[:n])
	if _, err := io.ReadFull(resp.Body, der[n:]); err != nil {
		return nil, err
	}
	if n, _ := io.ReadFull(resp.Body, head[:1]); n > 0 {
		return nil, errors.New("there is more behind it")
	}
	return der, nil
}

// sizeOf returns how long an element of DER is that begins so, and 0 if it is no
// SEQUENCE (X.690, Section 8.1.3).
func sizeOf(head []byte) int64 {
	if len(head) < 2 || head[0] != 0x30 {
		return 0
	}
	if head[1] < 0x80 {
		return 2 + int64(head[1])
	}
	n := int(head[1] & 0x7f)
	if n < 1 || n > 4 || len(head) < 2+n {
		return 0
	}
	var size int64
	for _, c := range head[2 : 2+n] {
		size = size<<8 | int64(c)
	}
	return int64(2+n) + size
}

// cause says why ctx ended, if that is the reason.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}
