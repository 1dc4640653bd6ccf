// Package fhir is the sink that creates records as FHIR R4 AuditEvents on a server (IHE
// ITI-20, the FHIR feed): many at a time in a Bundle of type batch, which the server
// answers entry by entry, or one by one.
//
// A repeat is recognisable: each AuditEvent names its entry of the log as an entity, and a
// server that creates on a condition (FHIR, Section 3.1.0.8.1) creates none that has
// that already.
package fhir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/post"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/store/audit/atna"
)

// Config says where to, and how.
type Config struct {
	URL       string // of the server: what comes before /AuditEvent
	TLS       wire.TLS
	TokenFile string // has a bearer token; empty: none

	// Single creates each by itself, for a server that takes no Bundle.
	Single bool
	// Unconditional is for a server that takes no condition: repeats are there twice.
	Unconditional bool
}

// A Sink creates AuditEvents on one server.
type Sink struct {
	conf   Config
	client *post.Client
}

const (
	maxAnswer = 1 << 20 // bytes: some kilobytes for each entry of a Bundle
	maxBundle = 1 << 20 // bytes of a Bundle; one AuditEvent alone is shorter
)

// New returns a Sink.
func New(c Config) (*Sink, error) {
	client, err := post.New(post.Config{URL: c.URL, TLS: c.TLS, TokenFile: c.TokenFile, MaxAnswer: maxAnswer})
	if err != nil {
		return nil, err
	}
	return &Sink{c, client}, nil
}

// Send implements [deliver.Sink]. Of a Bundle that is refused as a whole, each is tried by
// itself.
func (s *Sink) Send(ctx context.Context, batch []deliver.Record) (taken int, err error) {
	for taken < len(batch) && err == nil {
		var created int
		created, err = s.some(ctx, batch[taken:])
		taken += created
	}
	return taken, err
}

// some creates the first of a batch, one at least, and returns how many.
func (s *Sink) some(ctx context.Context, batch []deliver.Record) (created int, err error) {
	if s.conf.Single {
		return s.each(ctx, batch[:1])
	}
	body, n := s.bundle(batch)
	created, err = s.many(ctx, body, n)
	if _, refused := errors.AsType[*deliver.RefusedError](err); refused && created == 0 {
		return s.each(ctx, batch[:n])
	}
	return created, err
}

// each creates one after the other.
func (s *Sink) each(ctx context.Context, batch []deliver.Record) (created int, err error) {
	for _, r := range batch {
		if err := s.single(ctx, r.Message()); err != nil {
			return created, err
		}
		created++
	}
	return created, nil
}

// Close implements [deliver.Sink].
func (s *Sink) Close() error { return s.client.Close() }

// single creates one.
func (s *Sink) single(ctx context.Context, m *atna.Message) error {
	h := header()
	if !s.conf.Unconditional {
		h.Set("If-None-Exist", condition(m))
	}
	a, err := s.client.Post(ctx, "AuditEvent", h, m.FHIR())
	if err != nil {
		return err
	}
	return verdict(a.Status, a.Body)
}

// verdict is what a status means for one AuditEvent: 412 is that several of it are there.
func verdict(status int, body []byte) error {
	if status == http.StatusPreconditionFailed {
		return nil
	}
	return post.Verdict(status, body)
}

func header() http.Header {
	return http.Header{"Content-Type": {"application/fhir+json"}, "Accept": {"application/fhir+json"}, "Prefer": {"return=minimal"}}
}

// condition finds what was created of the same entry of the log.
func condition(m *atna.Message) string {
	return "entity:identifier=urn:ietf:rfc:3986%7Curn:uuid:" + m.ID()
}

// bundle returns a Bundle of the first n records.
func (s *Sink) bundle(batch []deliver.Record) (body []byte, n int) {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	for _, r := range batch {
		m := r.Message()
		event := m.FHIR()
		if n > 0 && b.Len()+len(event) > maxBundle {
			break
		}
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"fullUrl":"urn:uuid:%s","resource":%s,"request":{"method":"POST","url":"AuditEvent"`, m.ID(), event)
		if !s.conf.Unconditional {
			fmt.Fprintf(&b, `,"ifNoneExist":%q`, condition(m))
		}
		b.WriteString(`}}`)
		n++
	}
	b.WriteString(`]}`)
	return b.Bytes(), n
}

// many creates those of a Bundle of n, and returns how many of the first were created.
func (s *Sink) many(ctx context.Context, body []byte, n int) (created int, err error) {
	a, err := s.client.Post(ctx, "", header(), body)
	if err != nil {
		return 0, err
	}
	if a.Status != http.StatusOK {
		if err := a.Err(); err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("the receiver answers %d to a batch, which says nothing of its entries", a.Status)
	}
	if a.Cut {
		return 0, fmt.Errorf("the receiver answers with more than %d bytes", maxAnswer)
	}
	statuses, err := readAnswer(a.Body)
	if err != nil {
		return 0, err
	}
	if len(statuses) != n {
		return 0, fmt.Errorf("the receiver answers for %d entries, and got %d", len(statuses), n)
	}
	for ; created < n; created++ {
		if err := verdict(statuses[created].status, statuses[created].outcome); err != nil {
			return created, err
		}
	}
	return created, nil
}

// An entryAnswer is what a server says of one entry.
type entryAnswer struct {
	status  int
	outcome []byte
}

// readAnswer reads the answer to a batch (FHIR, Section 3.1.0.11.1).
func readAnswer(text []byte) ([]entryAnswer, error) {
	var b struct {
		ResourceType string `json:"resourceType"`
		Type         string `json:"type"`
		Entry        []struct {
			Response struct {
				Status  string          `json:"status"`
				Outcome json.RawMessage `json:"outcome"`
			} `json:"response"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, errors.New("the receiver's answer to a batch is not JSON")
	}
	if b.ResourceType != "Bundle" || b.Type != "batch-response" {
		return nil, errors.New("the receiver's answer to a batch is no Bundle of type batch-response")
	}
	all := make([]entryAnswer, len(b.Entry))
	for i, e := range b.Entry {
		if len(e.Response.Status) < 3 {
			return nil, fmt.Errorf("the receiver's answer has no status for entry %d", i+1)
		}
		status, err := strconv.Atoi(e.Response.Status[:3])
		if err != nil || status < 100 || status > 599 {
			return nil, fmt.Errorf("the receiver's answer has no status for entry %d", i+1)
		}
		all[i] = entryAnswer{status, e.Response.Outcome}
	}
	return all, nil
}
