package main_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

// Followers are relying parties of a fleet, and what they have seen: on the stream of
// each daemon, and fetched from whichever. A number that goes back, or that two
// different lists have, fails the test.
type followers struct {
	t *testing.T
	f *fleet

	mu      sync.Mutex
	lists   map[int64][32]byte // what each number was seen to be
	roaming map[string]int64   // greatest number that a client which moves between replicas has seen, by kind
	stream  []int64            // newest on each daemon's stream
	sees    []crl.Set          // what the newest list on each daemon's stream names
	deltas  int
}

// follow starts following, until the returned function ends it.
func (f *fleet) follow(t *testing.T) (*followers, func()) {
	w := &followers{t: t, f: f, lists: map[int64][32]byte{}, roaming: map[string]int64{}, stream: make([]int64, len(f.daemons)), sees: make([]crl.Set, len(f.daemons))}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range f.daemons {
		all.Go(func() {
			for ctx.Err() == nil {
				w.subscribe(ctx, i)
				pause(ctx, 50*time.Millisecond)
			}
		})
	}
	all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			for _, kind := range []string{"delta", "full"} {
				w.fetch(n%len(f.daemons), kind)
			}
			pause(ctx, 20*time.Millisecond)
		}
	})
	return w, func() { cancel(); all.Wait() }
}

func (f *fleet) list(kind string) string {
	return "/crl/" + hex.EncodeToString(f.issuer.SubjectKeyId) + "/" + kind
}

// subscribe reads a daemon's stream until it breaks.
func (w *followers) subscribe(ctx context.Context, i int) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.f.daemons[i].HTTP+w.f.list("stream"), nil)
	if err != nil {
		w.t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	event := ""
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && event == "delta" {
			der, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				w.t.Error(err)
				return
			}
			w.see(der, i)
		}
	}
}

// fetch is a client that moves from one replica to the next.
func (w *followers) fetch(i int, kind string) {
	der, err := fetched(w.f.daemons[i], w.f.list(kind+".crl"))
	if err != nil {
		return
	}
	number := w.see(der, -1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if number < w.roaming[kind] {
		w.t.Errorf("daemon %d serves %s list %d, and another has served %d", i, kind, number, w.roaming[kind])
	}
	w.roaming[kind] = max(number, w.roaming[kind])
}

// see looks at a list, of a daemon's stream unless i is -1.
func (w *followers) see(der []byte, i int) int64 {
	list, err := crl.Open(der, w.f.issuer)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	number, sum := list.Number(), sha256.Sum256(der)
	if before, seen := w.lists[number]; seen && before != sum {
		w.t.Errorf("there are two lists %d", number)
	}
	w.lists[number] = sum
	if i < 0 {
		return number
	}
	if number < w.stream[i] {
		w.t.Errorf("the stream of daemon %d goes back from %d to %d", i, w.stream[i], number)
	}
	w.deltas++
	w.stream[i], w.sees[i] = number, list.Entries()
	return number
}

// named says whether the newest list on the stream of daemon i names a certificate.
func (w *followers) named(i int, h *subject) bool {
	serial, err := crl.SerialOf(h.cert.Leaf.SerialNumber.Bytes())
	if err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, named := w.sees[i].Lookup(serial)
	return named
}

// number is the newest on the stream of daemon i.
func (w *followers) number(i int) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stream[i]
}

func (w *followers) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d lists, %d of them seen on streams", len(w.lists), w.deltas)
}
