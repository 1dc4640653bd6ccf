package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// evidenceWanted is the header by which a CA that is being recovered asks for the lists
// that its relying parties hold.
const evidenceWanted = "Betonica-Evidence"

const (
	offerEvery = time.Minute      // to a CA that goes on asking
	offerDelta = 4 << 20          // bytes that a CA takes which did not ask
	offerTime  = 30 * time.Second // for one list
)

// offer brings the CA the lists that are held of an issuer, as it signed them: they show
// it what it has forgotten, after its database was set back. One that did not ask gets
// only what shows that it was. It is tried once a minute, and what fails is said.
func (k *keeper) offer(ctx context.Context, whole bool) {
	now := k.peer.conf.Now()
	if last := k.offered.Load(); k.root || now.Sub(time.Unix(0, last)) < offerEvery || !k.offered.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	var err error
	n := 0
	for _, der := range k.signed(whole) {
		if err = k.bring(ctx, der); err != nil {
			break
		}
		n++
	}
	if n > 0 || err != nil {
		k.event(Offered, k.peer.conf.URL, err)
	}
}

// signed returns the newest list that is held, and the full one before it if all is
// wanted, or if there is no other.
func (k *keeper) signed(whole bool) (lists [][]byte) {
	k.mu.Lock()
	delta := k.delta
	k.mu.Unlock()
	if whole || delta == nil || delta.Number() < k.number() {
		if der, err := readFile(k.path(full), k.peer.conf.MaxList); err == nil && (whole || len(der) <= offerDelta) {
			lists = append(lists, der)
		}
	}
	if delta != nil && (whole || len(delta.DER()) <= offerDelta) {
		lists = append(lists, delta.DER())
	}
	return lists
}

// bring brings the CA one list.
func (k *keeper) bring(ctx context.Context, der []byte) error {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.peer.conf.URL+"/crl/"+k.id+"/evidence", bytes.NewReader(der))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/pkix-crl")
	resp, err := k.peer.conf.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, errorBytes))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s: %q", req.URL, resp.Status, text)
	}
	return nil
}

// asked offers the lists if that is what a refusal asks for.
func (k *keeper) asked(ctx context.Context, refusal *http.Response) {
	if refusal.StatusCode == http.StatusServiceUnavailable && refusal.Header.Get(evidenceWanted) != "" {
		k.offer(ctx, true)
	}
}
