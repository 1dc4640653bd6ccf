// Package webhook is the sink that posts records, each by itself, as JSON to a URL, signed
// so that the receiver knows whom they are from. It is of the form of Standard Webhooks
// (standardwebhooks.com), for which there are verifiers in all languages:
//
//	webhook-id          the id of the record, the same in each try
//	webhook-timestamp   when this try was made, in seconds since 1970
//	webhook-signature   "v1," and in base64 the HMAC-SHA256 of id.timestamp.body
//
// A receiver takes a record with any status of 2xx; should refuse timestamps that are more
// than some minutes old; and knows a repeat by the id.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/post"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
)

// Config says where to, and what with. Every field but Token and TLS is required.
type Config struct {
	URL string
	TLS wire.TLS
	// SecretFile has what signatures are made with, in one line: 16 characters or more,
	// or "whsec_" and 16 bytes or more in base64. It is read for each batch.
	SecretFile string
	// TokenFile has a bearer token. Empty: none.
	TokenFile string

	Now func() time.Time
}

// A Sink posts to one URL.
type Sink struct {
	conf   Config
	client *post.Client
}

// New returns a Sink. It reads the secret, so that one that will not do is known at once.
func New(c Config) (*Sink, error) {
	if _, err := secret(c.SecretFile); err != nil {
		return nil, err
	}
	client, err := post.New(post.Config{URL: c.URL, TLS: c.TLS, TokenFile: c.TokenFile})
	if err != nil {
		return nil, err
	}
	return &Sink{c, client}, nil
}

// Send implements [deliver.Sink].
func (s *Sink) Send(ctx context.Context, batch []deliver.Record) (taken int, err error) {
	key, err := secret(s.conf.SecretFile)
	if err != nil {
		return 0, err
	}
	for _, r := range batch {
		m := r.Message()
		body := m.JSON()
		header := Header(key, m.ID(), s.conf.Now(), body)
		a, err := s.client.Post(ctx, "", header, body)
		if err != nil {
			return taken, err
		}
		if err := a.Err(); err != nil {
			return taken, err
		}
		taken++
	}
	return taken, nil
}

// Close implements [deliver.Sink].
func (s *Sink) Close() error { return s.client.Close() }

// Header returns the header of a body that is sent at a time.
func Header(key []byte, id string, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {stamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// minSecret is the least that a secret has, in bytes.
const minSecret = 16

func secret(file string) ([]byte, error) {
	text, err := wire.Secret(file)
	if err != nil {
		return nil, err
	}
	key := text
	if encoded, ok := bytes.CutPrefix(text, []byte("whsec_")); ok {
		if key, err = base64.StdEncoding.AppendDecode(nil, encoded); err != nil {
			return nil, errors.New("what follows whsec_ in " + file + " is not base64")
		}
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("the secret in %s is shorter than %d bytes", file, minSecret)
	}
	return key, nil
}
