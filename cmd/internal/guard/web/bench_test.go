package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
)

// BenchmarkServer is one kept-alive connection over mutual TLS to an application of a few
// bytes, with records that cost nothing.
func BenchmarkServer(b *testing.B) {
	w := newWorld(b)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }), web.Conf{})
	p, _ := w.caller()
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		c := w.raw(p, g, "http/1.1")
		read := bufio.NewReader(c)
		for pb.Next() {
			if _, err := fmt.Fprint(c, "GET /beds/7 HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				b.Error(err)
				return
			}
			answer, err := http.ReadResponse(read, nil)
			require.NoError(b, err)
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	})
}
