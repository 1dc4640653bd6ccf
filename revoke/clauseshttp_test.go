package revoke_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/ocsp"
)

// What the RFCs ask of OCSP over HTTP, a row for each clause. What the answers say is
// in TestClauses.
func TestHTTPClauses(t *testing.T) {
	c := newClauses(t)
	for _, row := range []struct {
		clause, demand string
		meet           func(*testing.T, *clauses)
	}{
		{"RFC 9919, Section 6", "GET, with the base64 raw, escaped, and with an AIA that ends in a slash", meetGET},
		{"RFC 9919, Section 6", "GET and POST have the same answer, GET of any length", meetSameAnswer},
		{"RFC 9919, Section 7.2", "every header, by GET and by POST, with a nonce and without", meetHeaders},
		{"RFC 9919, Section 7.2", "nothing forbids to keep what was signed", meetNoNoStore},
		{"RFC 9919, Section 7.2", "max-age never outlives nextUpdate", meetMaxAge},
		{"RFC 9919, Section 7.2", "a copy that is kept is confirmed by its ETag", meetETag},
		{"RFC 9919, Section 7.2", "errors are not kept", meetUncacheable},
		{"RFC 6960, Appendix A.1", "200 for each answer of the protocol, 413 for what is too long, 405 for other methods", meetCodes},
	} {
		t.Run(row.clause+": "+row.demand, func(t *testing.T) { row.meet(t, c) })
	}
}

// get asks by GET, with the path as it is.
func (c *clauses) get(t *testing.T, path string, header ...string) ([]byte, *http.Response) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, c.w.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	never := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := never.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return body, resp
}

// tricky returns a request whose base64 has all that clients treat differently.
func (c *clauses) tricky() []byte {
	for n := range 1 << 20 {
		serial := sha256.Sum256([]byte(strconv.Itoa(n)))
		serial[0] = 0x70
		der := request([][]byte{c.id(crypto.SHA256, serial[:16])}, nil)
		text := base64.StdEncoding.EncodeToString(der)
		if strings.Contains(text, "//") && strings.Contains(text, "+") && strings.HasSuffix(text, "=") {
			return der
		}
	}
	panic("no such request")
}

func meetGET(t *testing.T, c *clauses) {
	der := c.tricky()
	text := base64.StdEncoding.EncodeToString(der)
	want := c.send(t, der)
	for _, path := range []string{
		"/ocsp/" + text,
		"/ocsp/" + url.QueryEscape(text), // every '/', '+' and '=' escaped
		"/ocsp/" + strings.ReplaceAll(text, "/", "%2f"),
		"/ocsp/" + url.PathEscape(text),
		"/ocsp/" + strings.ReplaceAll(text, "+", "%20"), // what a proxy makes of a '+' that it takes for a blank
		"/ocsp/" + strings.TrimRight(text, "="),
		"/ocsp//" + text,
		"/ocsp///" + text,
	} {
		body, resp := c.get(t, path)
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.True(t, bytes.Equal(want, body), path)
	}
}

func meetSameAnswer(t *testing.T, c *clauses) {
	for _, n := range []int{1, 64} {
		var ids [][]byte
		for range n {
			ids = append(ids, c.one()[0])
		}
		der := request(ids, nil)
		body, _ := c.get(t, "/ocsp/"+base64.StdEncoding.EncodeToString(der))
		require.Len(t, c.read(t, body).tbs.Responses, n)
		if n == 1 { // the others are signed for each caller
			require.True(t, bytes.Equal(c.send(t, der), body))
		}
	}
}

// each calls f with the answer to each way of asking about the good one.
func (c *clauses) each(t *testing.T, f func(*testing.T, []byte, *http.Response)) {
	for name, der := range map[string][]byte{
		"plain": request(c.one(), nil),
		"nonce": request(c.one(), extension(oidNonce, false, tlv(4, bytes.Repeat([]byte{9}, 32)))),
		"two":   request(append(c.one(), c.one()...), nil),
	} {
		t.Run("POST "+name, func(t *testing.T) {
			body, resp := c.w.post(der)
			f(t, body, resp)
		})
		t.Run("GET "+name, func(t *testing.T) {
			body, resp := c.get(t, "/ocsp/"+base64.StdEncoding.EncodeToString(der))
			f(t, body, resp)
		})
	}
}

func meetHeaders(t *testing.T, c *clauses) {
	c.each(t, func(t *testing.T, body []byte, resp *http.Response) {
		single := c.read(t, body).tbs.Responses[0]
		this, next := generalized(t, single.ThisUpdate.Bytes), generalized(t, single.next(t))
		h := resp.Header
		sum := sha256.Sum256(body)
		require.Equal(t, "application/ocsp-response", h.Get("Content-Type"))
		require.Equal(t, strconv.Itoa(len(body)), h.Get("Content-Length"))
		require.Equal(t, `"`+hex.EncodeToString(sum[:])+`"`, h.Get("ETag"))
		require.Equal(t, this.Format(http.TimeFormat), h.Get("Last-Modified"))
		require.Equal(t, next.Format(http.TimeFormat), h.Get("Expires"))
		date, err := http.ParseTime(h.Get("Date"))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), date, time.Minute)
		require.Regexp(t, `^max-age=\d+, public, no-transform, must-revalidate$`, h.Get("Cache-Control"))
	})
}

func meetNoNoStore(t *testing.T, c *clauses) {
	c.each(t, func(t *testing.T, _ []byte, resp *http.Response) {
		require.NotContains(t, resp.Header.Get("Cache-Control"), "no-store")
		require.NotContains(t, resp.Header.Get("Cache-Control"), "no-cache")
		require.Empty(t, resp.Header.Get("Pragma"))
	})
}

// The answer is asked for through its whole life, and a little longer, on a clock
// that is moved.
func meetMaxAge(t *testing.T, _ *clauses) {
	clock := newHands(time.Now().Truncate(time.Second))
	c := newClauses(t, func(_ *revoke.PublisherConfig, r *revoke.ResponderConfig) {
		r.Clock, r.Lifetime = clock.clock(), 10*time.Second
	})
	path := "/ocsp/" + base64.StdEncoding.EncodeToString(request(c.one(), nil))
	first, _ := c.get(t, path)
	next := generalized(t, c.read(t, first).tbs.Responses[0].next(t))
	for range 2 * 12 {
		body, resp := c.get(t, path)
		until := generalized(t, c.read(t, body).tbs.Responses[0].next(t))
		text, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Cache-Control"), "max-age="), ",")
		age, err := strconv.Atoi(text)
		require.NoError(t, err)
		now := clock.read()
		require.True(t, now.Before(until), "an answer that is over is given out")
		require.True(t, now.Add(time.Duration(age)*time.Second).Before(until), "max-age=%d at %s, and it is good until %s", age, now, until)
		require.Equal(t, now.Before(next), bytes.Equal(first, body))
		clock.forward(500 * time.Millisecond)
	}
}

func meetETag(t *testing.T, c *clauses) {
	path := "/ocsp/" + base64.StdEncoding.EncodeToString(request(c.one(), nil))
	_, resp := c.get(t, path)
	etag := resp.Header.Get("ETag")
	for _, match := range []string{etag, `"other", ` + etag, "W/" + etag, "*"} {
		body, again := c.get(t, path, "If-None-Match", match)
		require.Equal(t, http.StatusNotModified, again.StatusCode, match)
		require.Empty(t, body)
		for _, name := range []string{"ETag", "Expires", "Cache-Control", "Last-Modified"} {
			require.NotEmpty(t, again.Header.Get(name), name)
		}
	}
	_, other := c.get(t, path, "If-None-Match", `"other"`)
	require.Equal(t, http.StatusOK, other.StatusCode)
}

func meetUncacheable(t *testing.T, c *clauses) {
	for name, path := range map[string]string{
		"malformed":    "/ocsp/bm8=",
		"no base64":    "/ocsp/@@@",
		"nothing":      "/ocsp",
		"unauthorized": "/ocsp/" + base64.StdEncoding.EncodeToString(request([][]byte{tlv(0x30, tlv(0x30, oid(oidNonce)), tlv(4, []byte{1}), tlv(4, []byte{1}), tlv(2, []byte{1}))}, nil)),
	} {
		body, resp := c.get(t, path)
		require.Equal(t, http.StatusOK, resp.StatusCode, name)
		require.Len(t, body, 5, name)
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"), name)
		require.Empty(t, resp.Header.Get("ETag"), name)
		require.Empty(t, resp.Header.Get("Expires"), name)
	}
}

func meetCodes(t *testing.T, c *clauses) {
	for name, tt := range map[string]struct {
		method, path string
		body         []byte
		code         int
	}{
		"good":          {http.MethodPost, "/ocsp", request(c.one(), nil), 200},
		"malformed":     {http.MethodPost, "/ocsp", []byte{0}, 200},
		"too long":      {http.MethodPost, "/ocsp", make([]byte, ocsp.MaxRequest+1), 413},
		"too long, GET": {http.MethodGet, "/ocsp/" + strings.Repeat("MAAA", ocsp.MaxRequest/3+2), nil, 413},
		"PUT":           {http.MethodPut, "/ocsp", nil, 405},
		"DELETE":        {http.MethodDelete, "/ocsp", nil, 405},
	} {
		req, err := http.NewRequest(tt.method, c.w.URL+tt.path, bytes.NewReader(tt.body))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, tt.code, resp.StatusCode, name)
		require.Equal(t, "application/ocsp-response", resp.Header.Get("Content-Type"), name)
		if tt.code == 405 {
			require.Equal(t, "GET, HEAD, POST", resp.Header.Get("Allow"))
		}
	}
}

func generalized(t *testing.T, text []byte) time.Time {
	t.Helper()
	at, err := time.Parse("20060102150405Z", string(text))
	require.NoError(t, err)
	return at
}
