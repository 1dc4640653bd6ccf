package peer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

const (
	maxLine     = 128 << 10 // bytes of an event's line: twice what a CA sends
	backoffFrom = 100 * time.Millisecond
	backoffTo   = 10 * time.Second
	missed      = 3                      // heartbeats, before it is an alarm
	jitter      = 2 * time.Second        // before everybody fetches the same full list
	soon        = 500 * time.Millisecond // before everybody fetches the same delta
)

var errPlain = errors.New("only https goes through a Peer")

// follow keeps the intermediate's list fresh until ctx ends: by the stream, and
// whenever that cannot be had, by fetching.
func (p *Peer) follow(ctx context.Context) {
	wait := backoffFrom
	for ctx.Err() == nil {
		began := time.Now()
		err := p.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > missed*p.conf.Heartbeat {
			wait = backoffFrom // it worked for a while
		}
		p.event(Event{Kind: Silent, Issuer: p.issuing.name(), Number: p.Number(), Err: err})
		if !sleep(ctx, rand.N(wait)) {
			return
		}
		wait = min(2*wait, backoffTo)
		if err := p.catchUp(ctx, "delta.crl"); err != nil && ctx.Err() == nil {
			p.event(Event{Kind: BadList, Issuer: p.issuing.name(), Number: p.Number(), Err: err})
		}
	}
}

// catchUp fetches a list, and the full one before it if it builds on a newer one
// than is held.
func (p *Peer) catchUp(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := p.issuing.fetch(ctx, file)
	if needsFull(err) {
		if err = p.issuing.fetchFull(ctx); err == nil {
			err = p.issuing.fetch(ctx, file)
		}
	}
	return err
}

func needsFull(err error) bool { return errors.Is(err, crl.ErrBase) }

// listen reads the stream until it breaks or lies, or says nothing new for three
// heartbeats.
func (p *Peer) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(missed*p.conf.Heartbeat, func() {
		cancel(fmt.Errorf("nothing for %d heartbeats of %s", missed, p.conf.Heartbeat))
	})
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.issuing.url("stream"), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if n := p.Number(); n > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(n, 10))
	}
	resp, err := p.conf.HTTP.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", req.URL, resp.Status)
	}
	p.event(Event{Kind: Connected, Issuer: p.issuing.name(), Number: p.Number()})
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for event, data := range events(lines) {
		before := p.Number()
		if err := p.heard(ctx, event, data); err != nil {
			// A stream that lies changes nothing, and is left: follow comes back, at a pace.
			p.event(Event{Kind: BadList, Issuer: p.issuing.name(), Number: before, Err: err})
			return cause(ctx, err)
		}
		if p.Number() > before { // what we had before may be played to us for ever
			silence.Reset(missed * p.conf.Heartbeat)
		}
	}
	if err := lines.Err(); err != nil {
		return cause(ctx, err)
	}
	return cause(ctx, errors.New("the stream ended"))
}

// cause says why ctx ended, if that is the reason.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// heard takes one event. One that says nothing new is no error.
func (p *Peer) heard(ctx context.Context, event string, data []byte) error {
	switch event {
	case "delta":
		der := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
		n, err := base64.StdEncoding.Decode(der, data)
		if err != nil {
			return fmt.Errorf("the stream's delta: %w", err)
		}
		err = p.issuing.take(der[:n], true)
		if needsFull(err) {
			p.catchUpBeside(ctx)
			return nil
		}
		if errors.Is(err, crl.ErrOld) {
			return nil // held already, as after a reconnect
		}
		return err
	case "pointer":
		var at struct{ Number int64 }
		if err := json.Unmarshal(data, &at); err != nil {
			return fmt.Errorf("the stream's pointer: %w", err)
		}
		if at.Number <= p.Number() {
			return nil
		}
		if !sleep(ctx, rand.N(soon)) {
			return ctx.Err()
		}
		if err := p.catchUp(ctx, "delta.crl"); err != nil {
			return err
		}
		if n := p.Number(); n < at.Number {
			return fmt.Errorf("the stream's pointer: it is to %d, and there is only %d", at.Number, n)
		}
	}
	return nil // of a kind that is not known yet
}

// catchUpBeside fetches a newer full list when it is this machine's turn, while
// the stream goes on being heard: see [keeper.foresee].
func (p *Peer) catchUpBeside(ctx context.Context) {
	if !p.catching.CompareAndSwap(false, true) {
		return
	}
	p.done.Go(func() {
		defer p.catching.Store(false)
		if !sleep(ctx, rand.N(jitter)) {
			return
		}
		err := p.catchUp(ctx, "full.crl")
		if err == nil {
			err = p.catchUp(ctx, "delta.crl")
		}
		if err != nil && ctx.Err() == nil {
			p.event(Event{Kind: BadList, Issuer: p.issuing.name(), Number: p.Number(), Err: err})
		}
	})
}

// events yields server-sent events (WHATWG HTML, Section 9.2.6): of each its kind
// and its data, which is good until the next.
func events(lines *bufio.Scanner) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		var kind string
		var data []byte
		for lines.Scan() {
			line := lines.Bytes()
			if len(line) == 0 {
				if len(data) > 0 && !yield(kind, data) {
					return
				}
				kind, data = "", data[:0]
				continue
			}
			field, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(field) {
			case "event":
				kind = string(value)
			case "data":
				if len(data)+len(value) > maxLine {
					return
				}
				data = append(data, value...)
			}
		}
	}
}

// sleep waits, and reports whether ctx is still good.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
