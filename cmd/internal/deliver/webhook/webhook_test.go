package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/webhook"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

func record(seq int64, action string) deliver.Record {
	return deliver.Record{
		Entry: audit.Entry{Seq: seq, At: time.Unix(1763761922, 0), Event: audit.Event{
			Action: action, Actor: "self", Subject: "device/a", Outcome: "opened", Detail: map[string]any{"severity": "high"},
		}},
		Source: atna.Source{ID: "spiffe://hospital.example/ca", Origin: "hospital.example/log"},
	}
}

func secretFile(t testing.TB, text string) string {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	return file
}

// signed makes a signature as a stranger would, with OpenSSL.
func signed(t *testing.T, secret, id, stamp string, body []byte) string {
	openssl, err := exec.LookPath("openssl")
	require.NoError(t, err)
	cmd := exec.Command(openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", fmt.Sprintf("hexkey:%x", secret), "-binary")
	cmd.Stdin = strings.NewReader(id + "." + stamp + "." + string(body))
	out, err := cmd.Output()
	require.NoError(t, err)
	return "v1," + base64.StdEncoding.EncodeToString(out)
}

// A receiver gets each record in order, as JSON, and can tell whom it is from, when it was
// sent, and that it has had it before. What it does not take stops those after it.
func TestSend(t *testing.T) {
	secret := "correct horse battery staple"
	var ids []string
	answer := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		require.Equal(t, signed(t, secret, id, stamp, body), r.Header.Get("webhook-signature"))
		sent, err := strconv.ParseInt(stamp, 10, 64)
		require.NoError(t, err)
		require.InDelta(t, time.Now().Unix(), sent, 60)
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
		var got struct {
			ID, Log, Action, Subject string
			Seq                      int64
			Detail                   map[string]string
		}
		require.NoError(t, json.Unmarshal(body, &got))
		require.Equal(t, id, got.ID)
		require.Equal(t, "hospital.example/log", got.Log)
		require.Equal(t, "high", got.Detail["severity"])
		ids = append(ids, id)
		if status := answer[got.Action]; status != 0 {
			w.WriteHeader(status)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	for _, file := range []string{secretFile(t, secret), secretFile(t, "whsec_"+base64.StdEncoding.EncodeToString([]byte(secret)))} {
		ids = nil
		clear(answer)
		sink, err := webhook.New(webhook.Config{URL: s.URL + "/in", SecretFile: file, Now: time.Now})
		require.NoError(t, err)
		batch := []deliver.Record{record(1, "alert.open"), record(2, "alert.count"), record(3, "alert.resolve")}
		n, err := sink.Send(t.Context(), batch)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.Equal(t, []string{batch[0].Message().ID(), batch[1].Message().ID(), batch[2].Message().ID()}, ids)

		answer["alert.count"] = http.StatusServiceUnavailable
		n, err = sink.Send(t.Context(), batch)
		require.Error(t, err)
		require.NotErrorAs(t, err, new(*deliver.RefusedError))
		require.Equal(t, 1, n)
		require.Len(t, ids, 5)
		require.Equal(t, ids[:2], ids[3:])
		answer["alert.count"] = http.StatusUnprocessableEntity
		n, err = sink.Send(t.Context(), batch)
		require.ErrorAs(t, err, new(*deliver.RefusedError))
		require.Equal(t, 1, n)
		require.NoError(t, sink.Close())
	}
}

// A secret that others can read, or that can be guessed, is none.
func TestSecret(t *testing.T) {
	for what, text := range map[string]string{"short": "sesame", "short in base64": "whsec_c2VzYW1l", "not base64": "whsec_sesame!sesame!sesame", "empty": "", "two lines": "sesame sesame sesame\nsesame"} {
		_, err := webhook.New(webhook.Config{URL: "https://siem.example", SecretFile: secretFile(t, text), Now: time.Now})
		require.Error(t, err, what)
		require.NotContains(t, err.Error(), "sesame", what)
	}
	file := secretFile(t, "correct horse battery staple")
	_, err := webhook.New(webhook.Config{URL: "https://siem.example", SecretFile: file, Now: time.Now})
	require.NoError(t, err)
	_, err = webhook.New(webhook.Config{URL: "http://siem.example", SecretFile: file, Now: time.Now})
	require.Error(t, err)
	require.NoError(t, os.Chmod(file, 0o644))
	_, err = webhook.New(webhook.Config{URL: "https://siem.example", SecretFile: file, Now: time.Now})
	require.Error(t, err)
	_, err = webhook.New(webhook.Config{URL: "https://siem.example", SecretFile: file + "x", Now: time.Now})
	require.ErrorIs(t, err, os.ErrNotExist)
}
