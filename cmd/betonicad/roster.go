package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// A roster is which intermediates the CA has, and which of them is to issue, as the
// tools that rotate them wrote it and the daemon reads it. A CA that was never
// rotated has none, and one intermediate.
//
// The file is replaced as a whole, after everything that it names: whatever moment a
// tool is killed at, there is the CA of before, or that of after.
type roster struct {
	// Revision counts the orders.
	Revision int64 `json:"revision"`
	// Intermediates are those of the CA in the order of their making. The key of the
	// first seals the CA's other secrets, and stays for that.
	Intermediates []member `json:"intermediates"`
	// Move is the change from one intermediate to the next; nil before the first.
	Move *move `json:"move,omitempty"`
	// Orders are what was ordered, the newest last, for the daemon to put on record.
	Orders []order `json:"orders,omitempty"`
}

// A member is one intermediate: the names of its files in keys/. The key may lie in a
// token, and Key be its reference; that of the first is where the configuration says.
type member struct {
	ID          string `json:"id"` // subject key identifier, in hex
	Certificate string `json:"certificate"`
	Key         string `json:"key,omitempty"`
}

// A move is the change from one intermediate to the next.
type move struct {
	From   string    `json:"from"`   // id of who issued before
	To     string    `json:"to"`     // id of who issues then
	Begins time.Time `json:"begins"` // when; until then it is only made known
	Since  time.Time `json:"since"`  // when the first machine is asked to renew
	Pace   pace      `json:"pace"`   // from the first to the last
	State  moveState `json:"state"`
}

type moveState string

const (
	moveOn      moveState = "on"      // it goes on by itself
	moveStopped moveState = "stopped" // nobody is asked to renew early
	moveHeld    moveState = "held"    // stopped before To issued: From goes on
	moveBack    moveState = "back"    // From issues again
)

// pace is a time.Duration that is written as text.
type pace time.Duration

func (p pace) MarshalText() ([]byte, error) { return []byte(time.Duration(p).String()), nil }

func (p *pace) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*p = pace(d)
	return err
}

// An order is something that a person had a tool do.
type order struct {
	Revision int64          `json:"revision"`
	Action   string         `json:"action"` // of the audit event
	By       string         `json:"by"`
	At       time.Time      `json:"at"`
	Subject  string         `json:"subject"` // of the certificate that it is about
	Detail   map[string]any `json:"detail,omitempty"`
}

// maxOrders is how many orders are kept: more than anybody gives while the daemon is
// down.
const maxOrders = 64

// readRoster returns the roster of a CA, also of one that was never rotated.
func readRoster(d layout) (*roster, error) {
	text, err := os.ReadFile(d.roster())
	if errors.Is(err, fs.ErrNotExist) {
		cert, err := readCertificate(d.intermediate())
		if err != nil {
			return nil, err
		}
		return &roster{Intermediates: []member{{ID: hex.EncodeToString(cert.SubjectKeyId), Certificate: "intermediate.pem"}}}, nil
	}
	if err != nil {
		return nil, err
	}
	var r roster
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, fmt.Errorf("%s: %w", d.roster(), err)
	}
	if len(r.Intermediates) == 0 {
		return nil, fmt.Errorf("%s names no intermediate", d.roster())
	}
	if m := r.Move; m != nil && (r.member(m.From) == nil || r.member(m.To) == nil) {
		return nil, fmt.Errorf("%s names a move of intermediates that it does not name", d.roster())
	}
	return &r, nil
}

// write puts an order on the roster and replaces the file.
func (r *roster) write(d layout, o order) error {
	r.Revision++
	o.Revision = r.Revision
	r.Orders = append(r.Orders, o)
	if len(r.Orders) > maxOrders {
		r.Orders = r.Orders[len(r.Orders)-maxOrders:]
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(d.roster(), append(text, '\n'))
}

// member returns the intermediate with this id, or nil.
func (r *roster) member(id string) *member {
	for i := range r.Intermediates {
		if r.Intermediates[i].ID == id {
			return &r.Intermediates[i]
		}
	}
	return nil
}

// issuing returns the id of the intermediate that issues at this time.
func (r *roster) issuing(now time.Time) string {
	m := r.Move
	switch {
	case m == nil:
		return r.Intermediates[len(r.Intermediates)-1].ID
	case m.State == moveBack || m.State == moveHeld || now.Before(m.Begins):
		return m.From
	}
	return m.To
}
