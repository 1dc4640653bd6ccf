package bundle

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/stream"
)

var (
	errHeldBack = errors.New("the stream is held back")
	errEnded    = errors.New("the stream ended")
)

// stream hears deltas until the stream breaks, lies, or says nothing for long, which is
// errHeldBack: what there is comes at once, and then each minute though nothing is new.
// Such a heartbeat costs next to nothing: see said.
func (f *follower) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(errHeldBack) })
	defer quiet.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+"/crl/"+f.id+"/stream?every="+strconv.Itoa(int(beat/time.Second)), nil)
	if err != nil {
		return err
	}
	resp, err := f.conf.HTTP.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: GET %s: %s", errHeldBack, req.URL, resp.Status)
	}
	f.troubles.tell(ctx, "following "+f.issuer.Subject.CommonName, nil)
	var der []byte
	var last time.Time
	events := stream.NewReader(resp.Body)
	for kind, data := range events.All() {
		if early := pace - time.Since(last); early > 0 {
			sleep(ctx, early)
		}
		last = time.Now()
		quiet.Reset(3 * beat)
		switch kind {
		case "delta":
			if der, err = base64.StdEncoding.AppendDecode(der[:0], data); err == nil && !f.said(der) {
				err = f.hear(ctx, der)
			}
		case "pointer": // to a delta that is too long for an event
			err = f.pollPaced(ctx)
		}
		if err != nil {
			return cause(ctx, err)
		}
	}
	return cause(ctx, cmp.Or(events.Err(), errEnded))
}

// said reports whether a delta revokes what the one that was verified last does, and no
// more, as all but a few do. Then nothing follows from it, and who signed it is of no
// matter: to verify each, every ten seconds, would cost a machine more than all the rest
// that it does.
func (f *follower) said(der []byte) bool {
	revoked, err := crl.Revoked(der)
	return err == nil && f.number > 0 && bytes.Equal(revoked, f.revoked)
}

// cause says why ctx ended, if that is the reason.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}
