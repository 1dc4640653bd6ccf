package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// dying starts an application of HTTP/2 that ends, or refuses the stream, when the first
// frame of a kind comes.
func (w *world) dying(on http2.FrameType, refuses bool) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	w.Cleanup(func() { l.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
		f := http2.NewFramer(c, c)
		f.WriteSettings()
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			if h := frame.Header(); h.Type == on && refuses {
				f.WriteRSTStream(h.StreamID, http2.ErrCodeInternal)
			} else if h.Type == on {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// A caller who has not said all of his request hears at once of an application of HTTP/2
// that is gone, and nobody waits for the rest: not an upload that stalled, and not a stream
// of gRPC, which may say nothing more for hours.
func TestDeadTarget(t *testing.T) {
	for name, tt := range map[string]struct {
		on      http2.FrameType
		refuses bool
	}{
		"before the body": {http2.FrameHeaders, false},
		"in the body":     {http2.FrameData, false},
		"stream refused":  {http2.FrameData, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.server(w.dying(tt.on, tt.refuses), web.Conf{HTTP2: true})
			p, _ := w.caller()
			told := func(n int) {
				r := g.wait(t, n)[n-1]
				require.Equal(t, record.Failed, r.Outcome)
				require.Equal(t, http.StatusBadGateway, r.Status)
				require.Contains(t, r.Reason, "target: ")
			}
			n := 0
			for _, part := range []string{"Content-Length: 2000000\r\n\r\nsome", "Content-Length: 2000\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"} {
				c := w.raw(p, g, "http/1.1")
				_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+part)
				require.NoError(t, err)
				answer, err := http.ReadResponse(bufio.NewReader(c), nil)
				require.NoError(t, err, part)
				require.Equal(t, http.StatusBadGateway, answer.StatusCode)
				n++
				told(n)
			}
			body, rest := io.Pipe()
			defer rest.Close()
			go rest.Write([]byte("some"))
			ask, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+g.addr+"/", body)
			require.NoError(t, err)
			answer, err := w.http(p, true).Do(ask)
			require.NoError(t, err)
			require.Equal(t, http.StatusBadGateway, answer.StatusCode)
			answer.Body.Close()
			told(n + 1)
		})
	}
}
