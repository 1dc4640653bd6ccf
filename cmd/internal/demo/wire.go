package demo

import "time"

// What Run and a machine say to each other, by package rpc: requests to the
// service named Machine, whose methods are those of machine.

// A Setup says what a machine is to become.
type Setup struct {
	Dir       string // for its certificate and its lists
	URL       string // of the CA
	TokenFile string
	DNSNames  []string
	Allow     []string      // whom it lets in
	MaxAge    time.Duration // of its lists; 0: as package peer says
	Heartbeat time.Duration
	Listen    bool // for others' calls
}

// A Status says what a machine has become.
type Status struct {
	ID       string
	Serial   string
	Lifetime time.Duration // of its certificate
	Address  string        // host:port; empty if it does not listen
	Refusal  *Refusal      // it did not
}

// A Refusal is the CA's no.
type Refusal struct {
	Status int
	Text   string
}

// An Answer is what became of a call to a gateway.
type Answer struct {
	Seen
	Server string // serial of the gateway's certificate
	Status int
	Took   time.Duration
	Curve  string // of the key exchange
	Failed string // what happened instead
}

// Seen is the gateway's answer in JSON: who it saw.
type Seen struct {
	Client string `json:"client"` // SPIFFE ID
	Serial string `json:"serial"` // of its certificate
}

// A Round is a request for calls one after the other.
type Round struct {
	URL   string
	Pause time.Duration // between two of them
}

// A Tally counts the calls of a round.
type Tally struct {
	Calls   int
	Dropped int    // of them, those that were not answered 200
	Failed  string // what happened to the first of those
	Clients []string
	Servers []string // serials that were seen at either end, in the order of appearance
}

// An Event is something that a machine noticed.
type Event struct {
	Time   time.Time
	Kind   string // of package agent or package peer, or calls
	ID     string
	Serial string
	Number int64
	Text   string
}
