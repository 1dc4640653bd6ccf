package adminapi

import "time"

// An Entry is one entry of the audit log, decrypted.
type Entry struct {
	Seq       int64          `json:"seq"`
	At        time.Time      `json:"at"`
	Action    string         `json:"action"`
	Actor     string         `json:"actor"`
	Subject   string         `json:"subject,omitempty"`
	Address   string         `json:"address,omitempty"`
	Outcome   string         `json:"outcome"` // ok, or why not
	RequestID string         `json:"request_id,omitempty"`
	Detail    map[string]any `json:"detail,omitempty"`
	Hash      string         `json:"hash"` // of the leaf, RFC 6962, base64
}

// AuditFilter narrows a list of entries; a zero field does not. Actor and
// Subject are found by equality, since the log can only be searched blindly.
type AuditFilter struct {
	Actor, Subject, Action string
	Since, Until           time.Time // Since included, Until not
}

// ExportRange is the entries of an export, both ends included. Zero means the
// first entry, and the last that a checkpoint covers.
type ExportRange struct {
	From, To int64
}

// A JournalEntry is one entry of a journal that a guard shipped, decrypted. If the key of
// it did not come, it has only number, time and action.
type JournalEntry struct {
	Journal  string `json:"journal"`  // its name
	Identity string `json:"identity"` // path of the machine that keeps it
	Entry
}

// RecordFilter narrows a list of journals' entries; a zero field does not.
type RecordFilter struct {
	Identity, Action string
	Since, Until     time.Time // Since included, Until not
}
