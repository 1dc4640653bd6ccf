package post_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/post"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
)

// What is secret of a URL is in no error, and what is sent is readable on no wire.
func TestCheck(t *testing.T) {
	for _, good := range []string{"https://siem.hospital.example", "https://10.0.0.1:8443/a/b?c=d", "http://127.0.0.1:80/x", "http://[::1]/"} {
		require.NoError(t, post.Check(good), good)
	}
	for _, bad := range []string{"", "siem", "ftp://siem/", "http://siem.hospital.example/sesame", "http://localhost/sesame", "https://u:sesame@siem/", "https://siem/#sesame", "https:sesame", "https:///sesame", "https://%zz/sesame", "http://127.0.0.1.evil.example/sesame"} {
		err := post.Check(bad)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "sesame")
		_, err = post.New(post.Config{URL: bad})
		require.Error(t, err)
	}
	require.Equal(t, "https://hooks.example", post.Place("https://hooks.example/T0/sesame?token=sesame"))
}

// 400 and 422 are the record's fault; everything else is the receiver's trouble, whatever
// it says, however much of it, and wherever it would send us.
func TestAnswers(t *testing.T) {
	var gone int
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{status}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		require.Equal(t, "{}", string(body))
		require.Equal(t, "Bearer sesame-sesame", r.Header.Get("Authorization"))
		status := map[string]int{"200": 200, "201": 201, "204": 204, "307": 307, "400": 400, "401": 401, "404": 404, "408": 408, "422": 422, "429": 429, "500": 500, "503": 503}[r.PathValue("status")]
		w.Header().Set("Location", "/to/elsewhere")
		w.WriteHeader(status)
		if status != 204 {
			io.WriteString(w, "no\x1b[2J\r\n"+strings.Repeat("x", 1000))
		}
	})
	mux.HandleFunc("/to/elsewhere", func(http.ResponseWriter, *http.Request) { gone++ })
	cut := make(chan error, 1)
	mux.HandleFunc("POST /huge", func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for i := 0; i < 1<<12 && err == nil; i++ {
			_, err = w.Write(make([]byte, 1<<16))
		}
		cut <- err
	})
	mux.HandleFunc("POST /garbage", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		require.NoError(t, err)
		defer c.Close()
		io.WriteString(c, "\x00\x01\x02 what?\r\n\r\n")
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("sesame-sesame\n"), 0o600))
	c, err := post.New(post.Config{URL: s.URL + "/", TokenFile: token})
	require.NoError(t, err)
	defer c.Close()
	for path, want := range map[string]string{
		"200": "", "201": "", "204": "", "400": "refused", "422": "refused", "307": "elsewhere", "401": "let us in", "404": "404", "408": "408", "429": "429", "500": "500", "503": "503",
	} {
		a, err := c.Post(t.Context(), path, nil, []byte("{}"))
		require.NoError(t, err)
		err = a.Err()
		switch want {
		case "":
			require.NoError(t, err, path)
		case "refused":
			var refused *deliver.RefusedError
			require.ErrorAs(t, err, &refused, path)
			require.Contains(t, refused.Answer, `no\x1b[2J\x0d\x0axxx`)
			require.Less(t, len(refused.Answer), 300)
		default:
			require.ErrorContains(t, err, want)
			require.NotErrorAs(t, err, new(*deliver.RefusedError))
		}
	}
	require.Zero(t, gone)
	a, err := c.Post(t.Context(), "huge", nil, []byte("{}"))
	require.NoError(t, err)
	require.True(t, a.Cut)
	require.Len(t, a.Body, 64<<10)
	require.Error(t, <-cut, "the rest is not even read")
	_, err = c.Post(t.Context(), "garbage", nil, []byte("{}"))
	require.Error(t, err)

	require.NoError(t, os.Chmod(token, 0o644))
	_, err = c.Post(t.Context(), "200", nil, []byte("{}"))
	require.Error(t, err, "everybody can read the token")
	require.NotContains(t, err.Error(), "sesame")
}

// A receiver that drips its answer is given up; one that is not there, or that nobody
// vouches for, is an error without the URL.
func TestNoAnswer(t *testing.T) {
	ca := wiretest.New(t)
	ended := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case <-r.Context().Done():
				close(ended)
				return
			case <-time.After(time.Millisecond):
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
			}
		}
	}))
	s.TLS = ca.Server(ca.Issue("127.0.0.1"), false)
	s.StartTLS()
	defer s.Close()
	c, err := post.New(post.Config{URL: s.URL + "/sesame", TLS: wire.TLS{CAFile: ca.CAFile}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Post(ctx, "", nil, []byte("{}"))
	require.ErrorContains(t, err, "takes too long")
	<-ended

	stranger, err := post.New(post.Config{URL: s.URL + "/sesame", TLS: wire.TLS{CAFile: wiretest.New(t).CAFile}})
	require.NoError(t, err)
	_, err = stranger.Post(t.Context(), "", nil, []byte("{}"))
	require.ErrorContains(t, err, "certificate")
	require.NotContains(t, err.Error(), "sesame")
	s.Close()
	_, err = c.Post(t.Context(), "", nil, []byte("{}"))
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "sesame")
}
