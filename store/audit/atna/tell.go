package atna

import (
	"strings"

	"github.com/betonica/betonica/store/audit"
)

// tell fills in what the CA's log, or a journal about itself, has on record.
func (m *Message) tell(r *row, e audit.Entry) {
	m.event, m.verb = r.event, r.event.verb
	if kind := kindOf(r, e); kind != nil {
		m.types = append(m.types, *kind)
	}
	m.types = append(m.types, code{own, m.entry.action, r.meaning})
	m.indicator = r.ok
	if e.Outcome != "ok" {
		m.indicator, m.why = r.bad, m.entry.outcome
	}
	m.people = m.performers(e)
	m.object = m.subject(r.object)
	if r.stage != nil {
		m.object.stage = *r.stage
	}
}

// subject is what an entry is about, of the kind k. One about nothing else is about the
// log.
func (m *Message) subject(k *objectKind) object {
	switch s := m.entry.subject; {
	case s == "" || k == theLog:
		return object{id: orUnknown(m.source.origin), name: "Security Audit Log", objectKind: *theLog}
	case s == self:
		return object{id: m.source.id, name: m.source.id, objectKind: *node}
	case k == node:
		return object{id: m.path(s), name: s, objectKind: *k}
	default:
		return object{id: s, name: s, objectKind: *k}
	}
}

// self is what the log calls the program that writes it.
const self = "self"

// kindOf is the row's, but for the powers of an emergency.
func kindOf(r *row, e audit.Entry) *code {
	if urgent, _ := e.Detail["break_glass"].(bool); urgent && strings.HasPrefix(e.Action, "power.") {
		if e.Action == "power.end" {
			return emergencyStopped
		}
		return emergencyStarted
	}
	return r.kind
}

// performers are who did it, and the log's keeper, who tells. What the keeper did of its
// own accord has one participant.
func (m *Message) performers(e audit.Entry) []participant {
	keeper := participant{id: m.source.id, role: application, address: m.source.address, reporter: true}
	if m.entry.actor == self || m.entry.actor == "" {
		keeper.requestor = true
		return []participant{keeper}
	}
	by := participant{id: m.path(m.entry.actor), role: origin, address: host(e.Address), requestor: true}
	if by.id != m.entry.actor {
		by.alias = m.entry.actor
	}
	return []participant{by, keeper}
}
