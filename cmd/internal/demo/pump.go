package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience bounds what takes a moment unless something is wrong.
const patience = 20 * time.Second

// Kinds of a pump's own events.
const (
	kindEnded    = "ended"    // the connection that it held open is gone
	kindAnswered = "answered" // calls are answered, from now on
	kindFailed   = "failing"  // calls are not
)

// Call makes one call, on a connection of its own.
func (m *machine) Call(url string, out *Answer) error {
	client := m.peer.HTTPClient()
	defer client.CloseIdleConnections()
	*out = call(m.ctx, client, url)
	return nil
}

// call makes a POST, which nobody repeats behind our back as they do a GET.
func call(ctx context.Context, client *http.Client, url string) (a Answer) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	fail := func(err error) Answer { return Answer{Failed: err.Error(), Took: time.Since(began)} }
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+pathReading, strings.NewReader("4.2 ml/h"))
	if err != nil {
		return fail(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a.Seen); err != nil {
		return fail(fmt.Errorf("%s: %w", resp.Status, err))
	}
	a.Status, a.Took = resp.StatusCode, time.Since(began)
	a.Curve, a.Server = resp.TLS.CurveID.String(), serial(resp.TLS.PeerCertificates[0])
	return a
}

// Hold opens a connection with an answer on it that has no end. When it ends all
// the same, that is an event.
func (m *machine) Hold(url string, _ *struct{}) error {
	client := m.peer.HTTPClient()
	req, err := http.NewRequestWithContext(m.ctx, http.MethodGet, url+pathWatch, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return fmt.Errorf("%s: %s", req.URL, resp.Status)
	}
	m.open.Go(func() {
		defer client.CloseIdleConnections()
		defer resp.Body.Close()
		_, err := io.Copy(io.Discard, resp.Body)
		m.journal.add(Event{Time: time.Now(), Kind: kindEnded, Text: text(err)})
	})
	return nil
}

// Begin makes calls one after the other until End, in turn on a connection that is
// kept and on a new one.
func (m *machine) Begin(r Round, _ *struct{}) error {
	going := &round{Round: r, stop: make(chan struct{}), done: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.round != nil {
		return errors.New("calls are going on already")
	}
	m.round = going
	m.open.Go(func() {
		defer close(going.done)
		m.calls(m.ctx, going)
	})
	return nil
}

// Tally says how the calls go.
func (m *machine) Tally(_ struct{}, out *Tally) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.round == nil {
		return errNoRound
	}
	*out = m.round.tally()
	return nil
}

// End lets the last call finish, and says how they went.
func (m *machine) End(_ struct{}, out *Tally) error {
	m.mu.Lock()
	going := m.round
	m.round = nil
	m.mu.Unlock()
	if going == nil {
		return errNoRound
	}
	close(going.stop)
	<-going.done
	*out = going.tally()
	return nil
}

var errNoRound = errors.New("no calls are going on")

// A round is calls that go on.
type round struct {
	Round
	stop, done chan struct{}

	mu  sync.Mutex
	sum Tally
}

func (m *machine) calls(ctx context.Context, r *round) {
	kept := m.peer.HTTPClient()
	defer kept.CloseIdleConnections()
	var last string
	for n := 0; ; n++ {
		client := kept
		if n%2 == 1 {
			client = m.peer.HTTPClient()
		}
		a := call(ctx, client, r.URL)
		if n%2 == 1 {
			client.CloseIdleConnections()
		}
		if ctx.Err() != nil {
			return
		}
		if kind := r.add(a); kind != last {
			m.journal.add(Event{Time: time.Now(), Kind: kind, Text: a.Failed})
			last = kind
		}
		select {
		case <-time.After(r.Pause):
		case <-r.stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

// add counts an answer, and says of which kind it is.
func (r *round) add(a Answer) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Calls++
	if a.Status != http.StatusOK {
		if r.sum.Dropped++; r.sum.Dropped == 1 {
			r.sum.Failed = strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, a.Failed))
		}
		return kindFailed
	}
	if !slices.Contains(r.sum.Clients, a.Serial) {
		r.sum.Clients = append(r.sum.Clients, a.Serial)
	}
	if !slices.Contains(r.sum.Servers, a.Server) {
		r.sum.Servers = append(r.sum.Servers, a.Server)
	}
	return kindAnswered
}

func (r *round) tally() Tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.sum
	t.Clients, t.Servers = slices.Clone(t.Clients), slices.Clone(t.Servers)
	return t
}
