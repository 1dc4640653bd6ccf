package peer

import (
	"context"
	"log/slog"
	"time"
)

// A Kind says what an [Event] is about, and which of its fields are set beside
// Time. Those about one issuer's list have Issuer, and Number: what is in force
// afterwards.
type Kind string

// The other end of connections.
const (
	Cut     Kind = "cut"     // an open connection was closed: ID, Serial, Err says why
	Refused Kind = "refused" // a connection was refused: ID and Serial as far as known, Err
)

// Lists.
const (
	Enforced   Kind = "enforced"         // a newer list is in force
	Connected  Kind = "on stream"        // the stream of deltas is up: URL
	Polling    Kind = "on long poll"     // the stream is held back on its way, polls are not: URL
	Silent     Kind = "silent"           // the stream broke, or had nothing new for three heartbeats: URL, Err
	Switched   Kind = "switched"         // lists come from another address from now on: URL
	Stale      Kind = "stale"            // the list is too old to go by, OCSP decides: Err
	Fresh      Kind = "fresh"            // the list is good to go by again
	BadList    Kind = "bad list"         // a list could not be had, or was not taken: Err
	Persisting Kind = "persisting"       // what must survive a restart could not be written: Err
	Met        Kind = "issuer met"       // somebody came with a certificate of an issuer that was not known
	Forgotten  Kind = "issuer forgotten" // an issuer made room for another, or nobody needs it and it signs no more
)

// This machine's own doings.
const (
	Rechained  Kind = "own issuer"  // the machine's certificate is of another issuer: Issuer; or its chain cannot be read: Err
	Reported   Kind = "reported"    // the CA was told what is in force after news, or again after it could not be
	Offered    Kind = "CA set back" // the CA does not know the list that it signed: it was brought that; or could not be: Err
	Unreported Kind = "unreported"  // it could not be told: Err; said once until it can
	Stapled    Kind = "stapled"     // an OCSP answer about this machine is shown: Serial
	Unstapled  Kind = "not stapled" // none could be had: Serial, Err
)

// An Event is something that an operator should know.
type Event struct {
	Time   time.Time
	Kind   Kind
	Issuer string // common name of the issuer
	Number int64  // CRL number in force
	ID     string // SPIFFE ID of the other end
	Serial string // of the certificate, 16 octets in hex
	URL    string // base of the address
	Err    error
}

// level is how loud an event is in the log.
func (e Event) level() slog.Level {
	switch {
	case e.Kind == Enforced, e.Kind == Reported, e.Kind == Stapled:
		return slog.LevelDebug
	case e.Err != nil, e.Kind == Offered:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (p *Peer) event(e Event) {
	e.Time = p.conf.Now()
	p.count(e)
	var said []slog.Attr
	for _, a := range []slog.Attr{
		slog.String("issuer", e.Issuer), slog.Int64("number", e.Number), slog.String("id", e.ID), slog.String("serial", e.Serial), slog.String("url", e.URL),
	} {
		if !a.Value.Equal(slog.StringValue("")) {
			said = append(said, a)
		}
	}
	if e.Err != nil {
		said = append(said, slog.Any("error", e.Err))
	}
	p.conf.Log.LogAttrs(context.Background(), e.level(), "revocation: "+string(e.Kind), said...)
	if p.conf.Events != nil {
		p.conf.Events(e)
	}
}
