package web_test

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/sign"
	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// signing is replaced by the guard's own certificate.
func signing() *tls.Certificate { return nil }

// Through two guards requests are signed and verified, with a body or without, in each
// version of HTTP, and also after the machine has another key.
func TestSigned(t *testing.T) {
	w := newWorld(t)
	server := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}), web.Conf{Signed: true})
	client := w.client(server.addr, web.Conf{Sign: signing, Host: "records.example"})
	n := 0
	for _, renew := range []bool{false, true} {
		if renew {
			client.id.Renew()
		}
		for _, two := range []bool{false, true} {
			protocols := new(http.Protocols)
			protocols.SetHTTP1(!two)
			protocols.SetUnencryptedHTTP2(two)
			transport := &http.Transport{Protocols: protocols}
			defer transport.CloseIdleConnections()
			for _, body := range []string{"", "payload", strings.Repeat("x", 1<<20)} {
				r, err := http.NewRequest("POST", "http://"+client.addr+"/beds/ward%20a/7?q=%2F", io.MultiReader(strings.NewReader(body)))
				require.NoError(t, err)
				r.Header.Set("Content-Digest", sign.Digest([]byte("of the application")))
				response, err := transport.RoundTrip(r)
				require.NoError(t, err)
				require.Equal(t, 200, response.StatusCode)
				require.Equal(t, body, readAll(t, response.Body))
				n++
				kept := server.wait(t, n)[n-1]
				require.Equal(t, record.Allowed, kept.Outcome, kept.Reason)
				require.Equal(t, client.wait(t, n)[n-1].Request, kept.Request)
			}
		}
	}
	response, err := http.Post("http://"+client.addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", 1<<20+1)))
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	readAll(t, response.Body)
}

// What is not signed, not by this machine, not of this request, not of now, or signed
// but seen before, is a 401; of a body that is not the one signed, the target never gets
// the end.
func TestSignedRefused(t *testing.T) {
	w := newWorld(t)
	var whole atomic.Int64
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			whole.Add(1)
		}
	}), web.Conf{Signed: true})
	p, id := w.caller()
	other := w.ca.Identity("device/other")
	const number = "AAAAAAAAAAAAAAAAAAAAAA"
	type request struct {
		by        *tls.Certificate
		body      string
		nonce     string
		at        time.Time
		signed    string // the body that the digest is of
		unsigned  bool
		uncovered bool
		chunked   bool
		other     bool // number of the record
	}
	send := func(q request) int {
		m := sign.Message{Method: "POST", Authority: "a", Path: "/x", Header: http.Header{"Content-Digest": {sign.Digest([]byte(q.signed))}}}
		in := sign.Input{Components: []string{"@method", "@authority", "@path", "@query", "content-digest"}, Nonce: q.nonce, KeyID: fmt.Sprintf("%032x", q.by.Leaf.SerialNumber)}
		if q.uncovered {
			in.Components = in.Components[:4]
		}
		_, err := sign.Sign(m, in, q.by.PrivateKey.(crypto.Signer), q.at)
		require.NoError(t, err)
		var b strings.Builder
		recorded := q.nonce
		if q.other {
			recorded = number
		}
		fmt.Fprintf(&b, "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nBetonica-Record: %s\r\n", recorded)
		if !q.unsigned {
			m.Header.Write(&b)
		}
		if q.chunked {
			fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(q.body), q.body)
		} else {
			fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(q.body), q.body)
		}
		c := w.raw(p, g, "http/1.1")
		_, err = io.WriteString(c, b.String())
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		readAll(t, answer.Body)
		return answer.StatusCode
	}
	good := request{by: id.Certificate(), body: "payload", signed: "payload", nonce: number, at: time.Now()}
	require.Equal(t, 200, send(good))
	require.Equal(t, 401, send(good), "a replay")
	require.EqualValues(t, 1, whole.Load())
	for i, change := range []func(q *request){
		func(q *request) { q.unsigned = true },
		func(q *request) { q.by = other.Certificate() },
		func(q *request) { q.at = time.Now().Add(-6 * time.Minute) },
		func(q *request) { q.at = time.Now().Add(6 * time.Minute) },
		func(q *request) { q.uncovered = true },
		func(q *request) { q.other = true },
		func(q *request) { q.body = "pay1oad" },
		func(q *request) { q.body = "pay1oad"; q.chunked = true },
		func(q *request) { q.body = ""; q.chunked = true },
	} {
		q := good
		q.nonce = fmt.Sprintf("AAAAAAAAAAAAAAAAAAA%c%cA", 'B'+rune(i), 'A')
		change(&q)
		require.Equal(t, 401, send(q), "change %d", i)
	}
	require.EqualValues(t, 1, whole.Load(), "the target got no other request whole")
	for _, r := range g.wait(t, 11)[1:] {
		require.Equal(t, []any{record.Refused, 401}, []any{r.Outcome, r.Status})
	}
}
