package atna

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// A Source is the log that an entry is of, and who keeps it.
type Source struct {
	// ID is who keeps the log: the CA's name, or a guard's; better a SPIFFE ID, in whose
	// trust domain the paths of identities then are. 256 bytes.
	ID string
	// Site is the enterprise or the site that it stands at, if that is known. 256 bytes.
	Site string
	// Address is its IP address or host name, if that is known. 128 bytes.
	Address string
	// Origin is the name of the log for ever, as its checkpoints have it. 256 bytes.
	Origin string
	// Guard says that the log is a guard's journal, and not the CA's.
	Guard bool
}

// A Message is one entry, ready to be written in each format. It does not change and is
// safe for concurrent use.
type Message struct {
	source source
	entry  entry
	begin  text // of what lasted, with end; else empty
	end    text
	id     text

	event     *event
	verb      text // action code
	types     []code
	profile   text // of BALP, that the message is an instance of
	indicator indicator
	notable   bool // though the indicator is fine
	why       text // empty: nothing to be said
	people    []participant
	object    object
	request   text // what ties it to the request, and to the other end's record
	details   []detail
	lost      text // names of details that were left out
}

// A source is a Source, cleaned.
type source struct{ id, site, address, origin, kind text }

// An entry is what an audit.Entry has in clear or sealed, cleaned, but for its detail.
type entry struct {
	seq                                               text
	at                                                text
	action, actor, subject, address, outcome, request text
	hash                                              text
}

// A participant is a person, a machine or a program that took part.
type participant struct {
	id, alias text
	role      code
	address   text // IP address or host name; empty if it is not known
	requestor bool // began it
	reporter  bool // tells of it
}

// An object is what it was done to.
type object struct {
	id, name text
	objectKind
	stage code
	kind  text // FHIR's type of what is meant, if it is a resource
}

// New makes the message of an opened entry. There is one for any entry.
func New(e audit.Entry, from Source) *Message {
	m := &Message{
		source: source{
			id: orUnknown(clean(from.ID, maxSource)), site: clean(from.Site, maxSource), address: clean(from.Address, maxAddress),
			origin: clean(from.Origin, maxSource), kind: "6", // security server
		},
		entry: entry{
			seq: number(e.Seq), at: stamp(e.At), action: token(e.Action, "unknown"),
			actor: clean(e.Actor, maxID), subject: clean(e.Subject, maxID), address: clean(e.Address, maxAddress),
			outcome: clean(e.Outcome, maxOutcome), request: clean(e.RequestID, maxRequest), hash: clean(e.Hash.String(), maxName),
		},
		id:      identify(from.Origin, e),
		details: detailsOf(e),
	}
	if from.Guard {
		m.source.kind = "4" // application server
	}
	m.request = m.entry.request
	if kind, ok := strings.CutPrefix(e.Action, accessPrefix); ok {
		m.tellAccess(kind, newAccess(e))
	} else {
		m.tell(rowOf(e.Action), e)
	}
	return m
}

// ID is what tells repeats: a UUID (RFC 9562, version 8) out of the log's name, and the
// entry's number and hash: a CA that was restored from a backup gives numbers again that
// receivers have entries of. It is a valid FHIR id.
func (m *Message) ID() string { return string(m.id) }

func identify(origin string, e audit.Entry) text {
	b := append([]byte("betonica audit entry\x00"+origin+"\x00"), strconv.FormatInt(e.Seq, 10)...)
	b = append(append(b, 0), e.Hash[:]...)
	sum := sha256.Sum256(b)
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	var out [36]byte
	for i, part := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		at := 2*part[0] + i
		hex.Encode(out[at:], u[part[0]:part[1]])
		if i > 0 {
			out[at-1] = '-'
		}
	}
	return clean(string(out[:]), len(out))
}

// Alert says whether a person should look: something failed, or was let through though
// nothing allows it.
func (m *Message) Alert() bool { return m.indicator != fine || m.notable }

// about returns what says which entry this is, and how the log has it, as details.
func (m *Message) about() [8]detail {
	about := [...]detail{
		{name: "auditId", value: m.id}, {name: "auditLog", value: m.source.origin}, {name: "auditSeq", value: m.entry.seq},
		{name: "auditHash", value: m.entry.hash}, {name: "requestId", value: m.entry.request}, {name: "shortened", value: m.lost},
		{name: "outcome", value: m.entry.outcome}, {name: "subject"},
	}
	if m.object.objectKind == *theLog && m.entry.subject != self { // it is not said elsewhere
		about[7].value = m.entry.subject
	}
	return about
}

// path returns the SPIFFE ID of an identity that the log names by its path, if the source
// has one, too; anything else as it is.
func (m *Message) path(s text) text {
	const scheme = "spiffe://"
	if !strings.HasPrefix(string(m.source.id), scheme) || !strings.Contains(string(s), "/") || strings.ContainsAny(string(s), ": ") {
		return s
	}
	trust := m.source.id[len(scheme):]
	if i := strings.IndexByte(string(trust), '/'); i >= 0 {
		trust = trust[:i]
	}
	return scheme + trust + "/" + s
}

func orUnknown(s text) text {
	if strings.TrimSpace(string(s)) == "" {
		return "unknown"
	}
	return s
}

// lasted sets when what is told began and ended.
func (m *Message) lasted(begin, end time.Time) {
	if !begin.IsZero() {
		m.begin = stamp(begin)
	}
	if !end.IsZero() && !end.Before(begin) {
		m.end = stamp(end)
	}
}
