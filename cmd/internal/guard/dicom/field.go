package dicom

import "fmt"

// A field is a command field: what a message is (PS3.7, Annex E.1).
type field uint16

const (
	cStore       field = 0x0001
	cGet         field = 0x0010
	cFind        field = 0x0020
	cMove        field = 0x0021
	cEcho        field = 0x0030
	nEventReport field = 0x0100
	nGet         field = 0x0110
	nSet         field = 0x0120
	nAction      field = 0x0130
	nCreate      field = 0x0140
	nDelete      field = 0x0150
	cancel       field = 0x0fff // C-CANCEL, which has no response of its own
	responseBit  field = 0x8000
)

func (f field) response() bool { return f&responseBit != 0 }

// request returns the request that a response is to.
func (f field) request() field { return f &^ responseBit }

// several reports whether a request has responses while it is being served.
func (f field) several() bool {
	r := f.request()
	return r == cGet || r == cFind || r == cMove
}

func (f field) known() bool {
	if f == cancel {
		return true
	}
	switch f.request() {
	case cStore, cGet, cFind, cMove, cEcho, nEventReport, nGet, nSet, nAction, nCreate, nDelete:
		return true
	}
	return false
}

// String returns the service's name, as rules and records have it: "C-STORE", of the
// request and of the response.
func (f field) String() string {
	switch f.request() {
	case cStore:
		return "C-STORE"
	case cGet:
		return "C-GET"
	case cFind:
		return "C-FIND"
	case cMove:
		return "C-MOVE"
	case cEcho:
		return "C-ECHO"
	case nEventReport:
		return "N-EVENT-REPORT"
	case nGet:
		return "N-GET"
	case nSet:
		return "N-SET"
	case nAction:
		return "N-ACTION"
	case nCreate:
		return "N-CREATE"
	case nDelete:
		return "N-DELETE"
	case cancel:
		return "C-CANCEL"
	}
	return fmt.Sprintf("%#04x", uint16(f))
}
