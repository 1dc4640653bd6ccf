package stream_test

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/stream"
)

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

// A poll's body is what the stream's event says, byte for byte, as soon as there is
// a number greater than the one asked about; a pointer's delta comes whole.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Publish(delta(5))
		for _, after := range []string{"", "?after=", "?after=4", "?after=0"} {
			resp := w.get("192.0.2.7:1", "/poll"+after).answer()
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, "application/pkix-crl", resp.Header.Get("Content-Type"))
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			require.Equal(t, "5", resp.Header.Get(stream.NumberHeader))
			_, _, data := event(t, bufio.NewReader(w.get("192.0.2.7:1", "/stream").answer().Body))
			require.Equal(t, text(t, data), body(t, resp))
		}
		waiting := w.get("192.0.2.7:1", "/poll?after=5")
		synctest.Wait()
		w.Publish(stream.NewDelta(6, 1, []byte("long"), 2))
		resp := waiting.answer()
		require.Equal(t, "6", resp.Header.Get(stream.NumberHeader))
		require.Equal(t, "long", body(t, resp))
	})
}

// Without news a poll ends after 25 seconds, and the connection is good for the
// next one: long after the server's own deadlines.
func TestPollWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Publish(delta(5))
		c := w.get("192.0.2.7:1", "/poll?after=5")
		for range 3 {
			begun := time.Now()
			resp := c.answer()
			require.Equal(t, http.StatusNoContent, resp.StatusCode)
			require.Equal(t, "0", resp.Header.Get("Retry-After"))
			require.Equal(t, 25*time.Second, time.Since(begun))
			_, err := io.WriteString(c, "GET /poll?after=5 HTTP/1.1\r\nHost: ca\r\n\r\n")
			require.NoError(t, err)
		}
		synctest.Wait()
		w.Publish(delta(6))
		require.Equal(t, "delta 6", body(t, c.answer()))
	})
}

// A number from the future, another replica's or from before a restore, is answered
// when there is news, and not at once: asking in a loop must not be a flood.
func TestPollFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, first := range []bool{false, true} {
			if first {
				w.Publish(delta(5))
			}
			c := w.get("192.0.2.7:1", "/poll?after=9")
			synctest.Wait()
			require.Equal(t, 1, w.Len(), "it waits")
			w.Publish(delta(9)) // what it has
			synctest.Wait()
			require.Equal(t, 1, w.Len(), "it waits")
			w.Publish(delta(6))
			require.Equal(t, "delta 6", body(t, c.answer()))
			synctest.Wait()
		}
	})
}

// What is no number is an error, and takes no place.
func TestPollBadNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, after := range []string{"x", "-1", "1e3", "99999999999999999999", "%00", strconv.Itoa(7) + "%20"} {
			require.Equal(t, http.StatusBadRequest, w.get("192.0.2.7:1", "/poll?after="+after).answer().StatusCode, after)
		}
		require.Zero(t, w.Len())
	})
}

// Who does not take a poll's answer is cut.
func TestPollStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get("192.0.2.7:1", "/poll?after=5")
		synctest.Wait()
		w.Publish(stream.NewDelta(6, 1, make([]byte, 1<<20), 0))
		synctest.Wait()
		require.Equal(t, 1, w.Len())
		<-time.After(10 * time.Second)
		synctest.Wait()
		require.Zero(t, w.Len())
	})
}
