package main_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

// Followers are relying parties of a fleet, and what they have seen: on the stream of
// each daemon, on the streams of one that moves from daemon to daemon, and fetched from
// whichever. A stream on which a number goes back, or a number that two different lists
// have, fails the test.
type followers struct {
	t *testing.T
	f *fleet

	mu     sync.Mutex
	lists  map[int64][32]byte // what each number was seen to be
	moves  int                // how often the one that moves got something new
	stream []int64            // newest on each daemon's stream
	sees   []crl.Set          // what the newest list on each daemon's stream names
	deltas int
}

// follow starts following, until the returned function ends it.
func (f *fleet) follow(t *testing.T) (*followers, func()) {
	w := &followers{t: t, f: f, lists: map[int64][32]byte{}, stream: make([]int64, len(f.daemons)), sees: make([]crl.Set, len(f.daemons))}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range f.daemons {
		all.Go(func() {
			for ctx.Err() == nil {
				w.subscribe(ctx, f.daemons[i].HTTP, 0, func(der []byte) bool { w.see(der, i); return true })
				pause(ctx, 50*time.Millisecond)
			}
		})
	}
	all.Go(func() { w.move(ctx) })
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

// subscribe reads the stream at an address for whoever has seen this number, until it
// breaks, or each is told that it was enough.
func (w *followers) subscribe(ctx context.Context, address string, last int64, each func(der []byte) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+w.f.list("stream"), nil)
	if err != nil {
		w.t.Error(err)
		return
	}
	if last > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
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
			if !each(der) {
				return
			}
		}
	}
}

// move is a relying party that goes from one daemon to the next, and says each what it
// has seen.
func (w *followers) move(ctx context.Context) {
	last := int64(0)
	for n := 0; ctx.Err() == nil; n++ {
		visit, leave := context.WithTimeout(ctx, time.Second) // one that is behind has nothing to say
		w.subscribe(visit, w.f.daemons[n%len(w.f.daemons)].HTTP, last, func(der []byte) bool {
			last = w.rising(der, last)
			return false
		})
		leave()
		pause(ctx, 10*time.Millisecond)
	}
}

// rising looks at a list that must be newer than the last one, and returns its number.
func (w *followers) rising(der []byte, last int64) int64 {
	number := w.see(der, -1)
	if number <= last {
		w.t.Errorf("a stream brought list %d to who has seen %d", number, last)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moves++
	return number
}

// fetch gets a list from a daemon, which may be behind another for a moment.
func (w *followers) fetch(i int, kind string) {
	if der, err := fetched(w.f.daemons[i], w.f.list(kind+".crl")); err == nil {
		w.see(der, -1)
	}
}

// see looks at a list, of a daemon's stream unless i is -1.
func (w *followers) see(der []byte, i int) int64 {
	list, err := crl.Open(der, w.f.issuer)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	if ahead := time.Until(list.ThisUpdate()); ahead > 5*time.Minute {
		w.t.Errorf("list %d is of another time, %s ahead", list.Number(), ahead)
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
	return fmt.Sprintf("%d lists, %d deltas on streams, %d of them seen by who moves", len(w.lists), w.deltas, w.moves)
}
