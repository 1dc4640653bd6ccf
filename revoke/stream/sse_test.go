package stream_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/stream"
)

// A subscriber gets the newest delta at once, then each new one, for longer than
// the server's own deadlines allow a request.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Publish(delta(4))
		w.Publish(delta(5))
		resp := w.get("192.0.2.7:1", "/stream").answer()
		require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		lines := bufio.NewReader(resp.Body)
		for n := range int64(5) {
			id, kind, data := event(t, lines)
			require.Equal(t, []string{strconv.FormatInt(5+n, 10), "delta"}, []string{id, kind})
			require.Equal(t, "delta "+id, text(t, data))
			<-time.After(time.Minute)
			w.Publish(delta(6 + n))
		}
		w.Hub.Close()
		_, err := io.Copy(io.Discard, lines)
		require.NoError(t, err)
	})
}

// Who comes back with the newest number gets nothing until there is news; who
// comes with a number from the future, or with nonsense, gets the newest.
func TestLastEventID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Publish(delta(5))
		for last, want := range map[string]string{"4": "5", "5": "6", "6": "5", "9223372036854775807": "5", "-1": "5", "x": "5", "99999999999999999999": "5"} {
			c := w.get("192.0.2.7:1", "/stream", "Last-Event-ID: "+last)
			lines := bufio.NewReader(c.answer().Body)
			synctest.Wait()
			w.Publish(delta(6))
			id, _, _ := event(t, lines)
			require.Equal(t, want, id, last)
			c.Close()
			synctest.Wait()
			require.Zero(t, w.Len())
			w.Publish(delta(5))
		}
	})
}

// A delta that is too long for an event is pointed to.
func TestPointer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Publish(stream.NewDelta(7, 3, []byte("abc"), 2))
		_, kind, data := event(t, bufio.NewReader(w.get("192.0.2.7:1", "/stream").answer().Body))
		require.Equal(t, "pointer", kind)
		var p stream.Pointer
		require.NoError(t, json.Unmarshal([]byte(data), &p))
		require.Equal(t, stream.Pointer{Number: 7, Base: 3, Size: 3, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}, p)
	})
}

// A thousand readers that take nothing hold up nobody, hold no copy of what they
// did not take, and are cut after ten seconds.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stalled, long = 1000, stream.MaxEvent
		w := newWorld(t)
		w.MaxPerSource = stalled
		before := heap()
		for range stalled {
			w.get("192.0.2.7:1", "/stream").answer()
		}
		ids := make(chan string)
		good := bufio.NewScanner(w.get("192.0.2.8:1", "/stream").answer().Body)
		good.Buffer(nil, 2*long)
		go func() {
			for good.Scan() {
				if id, ok := strings.CutPrefix(good.Text(), "id: "); ok {
					ids <- id
				}
			}
		}()
		synctest.Wait()
		require.Equal(t, stalled+1, w.Len())
		for n := range int64(20) {
			w.Publish(stream.NewDelta(1+n, 1, make([]byte, long), 0))
			require.Equal(t, strconv.FormatInt(1+n, 10), <-ids)
		}
		synctest.Wait()
		require.Less(t, (heap()-before)/stalled, int64(64<<10))
		<-time.After(10 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, w.Len())
	})
}

// Readers that are slow, and not dead, get the newest delta and skip those that
// came while they read.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Publish(delta(1))
		lines := bufio.NewReader(w.get("192.0.2.7:1", "/stream").answer().Body)
		synctest.Wait() // it writes 1, and waits for us
		for n := int64(2); n <= 100; n++ {
			w.Publish(delta(n))
		}
		first, _, _ := event(t, lines)
		second, _, _ := event(t, lines)
		require.Equal(t, []string{"1", "100"}, []string{first, second})
	})
}

// One address, or one site's /64, takes its share of the places and no more;
// others are not touched, and the loopback and Unix sockets have no cap. A place
// is free again when its holder goes.
func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.MaxPerSource, w.MaxSubscribers = 2, 12
		status := func(remote string) int { return w.get(remote, "/stream").answer().StatusCode }
		held := w.get("192.0.2.7:1", "/stream")
		held.answer()
		for _, tt := range []struct {
			remote string
			want   int
		}{
			{"192.0.2.7:2", http.StatusOK},
			{"192.0.2.7:3", http.StatusTooManyRequests},
			{"[::ffff:192.0.2.7]:4", http.StatusTooManyRequests},
			{"192.0.2.8:1", http.StatusOK},
			{"[2001:db8::1]:1", http.StatusOK},
			{"[2001:db8::ffff:1]:1", http.StatusOK},
			{"[2001:db8:0:0:1::1]:1", http.StatusTooManyRequests},
			{"[2001:db8:0:1::1]:1", http.StatusOK},
			{"127.0.0.1:1", http.StatusOK},
			{"127.0.0.1:2", http.StatusOK},
			{"127.0.0.1:3", http.StatusOK},
			{"[::1]:1", http.StatusOK},
			{"@", http.StatusOK},
		} {
			require.Equal(t, tt.want, status(tt.remote), tt.remote)
		}
		require.Equal(t, http.StatusOK, status("192.0.2.9:1"), "the twelfth")
		refused := w.get("192.0.2.10:1", "/poll").answer()
		require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
		require.Equal(t, "30", refused.Header.Get("Retry-After"))
		require.Equal(t, int64(4), w.Refused())

		held.Close()
		synctest.Wait()
		require.Equal(t, 11, w.Len())
		require.Equal(t, http.StatusOK, status("192.0.2.7:5"))
	})
}

// After Close all streams end, and none begins.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		resp := w.get("192.0.2.7:1", "/stream").answer()
		poll := w.get("192.0.2.7:1", "/poll")
		synctest.Wait()
		w.Hub.Close()
		w.Hub.Close()
		_, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, poll.answer().StatusCode)
		require.Equal(t, http.StatusServiceUnavailable, w.get("192.0.2.7:1", "/stream").answer().StatusCode)
		synctest.Wait()
		require.Zero(t, w.Len())
	})
}

// Who goes away is noticed without an event.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, path := range []string{"/stream", "/poll"} {
			c := w.get("192.0.2.7:1", path)
			synctest.Wait()
			require.Equal(t, 1, w.Len(), path)
			c.Close()
			synctest.Wait()
			require.Zero(t, w.Len(), path)
		}
	})
}

// Streams are read, and nothing else.
func TestMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, path := range []string{"/stream", "/poll"} {
			near, far := net.Pipe()
			defer near.Close()
			w.conns <- far
			_, err := io.WriteString(near, "POST "+path+" HTTP/1.1\r\nHost: ca\r\nContent-Length: 0\r\n\r\n")
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(near), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
			require.Equal(t, "GET", resp.Header.Get("Allow"))
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
