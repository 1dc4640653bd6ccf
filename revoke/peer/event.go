package peer

import (
	"context"
	"log/slog"
	"time"
)

// A Kind says what an [Event] is about.
type Kind string

const (
	Enforced   Kind = "enforced"   // a newer list is in force: Number
	Cut        Kind = "cut"        // an open connection was closed: ID, Serial
	Refused    Kind = "refused"    // a connection was refused: ID, Serial, Err
	Silent     Kind = "silent"     // the stream broke, or had nothing new for three heartbeats: Err
	Stale      Kind = "stale"      // the list is older than MaxAge: OCSP from now on
	BadList    Kind = "bad list"   // a list was not taken: Err
	Persisting Kind = "persisting" // the state could not be written: Err
	Connected  Kind = "on stream"  // the stream of deltas is up
)

// An Event is something that an operator should know.
type Event struct {
	Time   time.Time
	Kind   Kind
	Issuer string // common name of the issuer
	Number int64  // CRL number in force
	ID     string // SPIFFE ID of the other end
	Serial string // of its certificate, in hex
	Err    error
}

func (p *Peer) event(e Event) {
	e.Time = p.conf.Now()
	level := slog.LevelInfo
	if e.Err != nil {
		level = slog.LevelWarn
	}
	if e.Kind == Enforced {
		level = slog.LevelDebug
	}
	p.conf.Log.LogAttrs(context.Background(), level, "revocation: "+string(e.Kind),
		slog.String("issuer", e.Issuer), slog.Int64("number", e.Number), slog.String("id", e.ID), slog.String("serial", e.Serial), slog.Any("error", e.Err))
	if p.conf.Events != nil {
		p.conf.Events(e)
	}
}
