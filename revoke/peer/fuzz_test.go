package peer

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/betonica/betonica/revoke/stream"
)

// nobody answers no request.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// FuzzStream: whatever bytes come down the stream, reading ends with them, no event
// is longer than the bound, and without the issuer's signature nothing comes into
// force.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		"id: 7\nevent: delta\ndata: MAA=\n\n", "event: pointer\ndata: {\"number\":0}\n\n", ": beat\n\n",
		"event: delta\ndata: M\ndata: AA=\n\n", "data\n\n", "event: pointer\ndata: {\n\n", "event: delta\r\ndata: §\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	p := &Peer{bases: []string{"http://ca.invalid"}, conf: Config{
		Now: time.Now, Log: slog.New(slog.DiscardHandler), MaxList: 1 << 20, HTTP: &http.Client{Transport: nobody{}},
	}}
	k := &keeper{peer: p, issuer: &x509.Certificate{}}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // so that a pointer waits for nothing
	f.Fuzz(func(t *testing.T, text []byte) {
		for event, data := range stream.NewReader(bytes.NewReader(text)).All() {
			if len(data) > stream.MaxLine {
				t.Fatalf("an event of %d bytes", len(data))
			}
			k.heard(ended, event, data)
		}
		if k.force.Load() != nil {
			t.Fatal("a list without a signature is in force")
		}
	})
}
