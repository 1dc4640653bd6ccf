package revoke_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// lists are the deltas that subscribers saw.
type lists struct {
	mu       sync.Mutex
	byNumber map[int64][]byte
}

func (l *lists) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byNumber)
}

// see notes a list, and fails if it is not newer than last, or another one of its number.
func (l *lists) see(t *testing.T, where string, last, number int64, der []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number <= last {
		t.Errorf("%s: %d after %d", where, number, last)
	}
	if other := l.byNumber[number]; other != nil && !bytes.Equal(other, der) {
		t.Errorf("two lists have number %d", number)
	}
	l.byNumber[number] = der
}

// watch reads so many events off the stream, and returns the last number.
func (w *world) watch(ctx context.Context, seen *lists, last int64, events int) int64 {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.lists+"/stream", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return last // it died
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	number := int64(0)
	for events > 0 && lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			number, _ = strconv.ParseInt(value, 10, 64)
		case "data":
			der, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				w.t.Error(err)
			}
			seen.see(w.t, w.URL, last, number, der)
			last = number
			events--
		}
	}
	return last
}

// poll asks for one list.
func (w *world) poll(ctx context.Context, seen *lists, last int64) int64 {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.lists+"/poll?after="+strconv.FormatInt(last, 10), nil)
	if err != nil {
		panic(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return last
	}
	defer resp.Body.Close()
	var der bytes.Buffer
	if _, err := der.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return last
	}
	number, _ := strconv.ParseInt(resp.Header.Get("Betonica-CRL-Number"), 10, 64)
	seen.see(w.t, w.URL+"/poll", last, number, der.Bytes())
	return number
}
