package atna

import "encoding/base64"

// XML returns the message as a DICOM audit message (PS3.15, Section A.5.1), on one line,
// in US-ASCII.
func (m *Message) XML() []byte { return m.appendXML(make([]byte, 0, 4<<10)) }

func (m *Message) appendXML(to []byte) []byte {
	b := xmlText(to)
	b.raw(`<?xml version="1.0" encoding="UTF-8"?><AuditMessage>`)
	b.identification(m)
	for i := range m.people {
		b.participant(m, &m.people[i])
	}
	b.source(m)
	b.object(m)
	b.raw("</AuditMessage>")
	return b
}

// xmlText is XML in the making. Names of elements and attributes are constants of ours.
type xmlText []byte

func (b *xmlText) raw(s text) { *b = append(*b, s...) }

func (b *xmlText) attr(name, value text) {
	if value == "" {
		return
	}
	b.raw(" ")
	b.raw(name)
	b.raw(`="`)
	*b = appendXML(*b, value)
	b.raw(`"`)
}

func (b *xmlText) element(name, content text) {
	b.raw("<")
	b.raw(name)
	b.raw(">")
	*b = appendXML(*b, content)
	b.raw("</")
	b.raw(name)
	b.raw(">")
}

// code writes a coded value: the meaning, as original text, is mandatory.
func (b *xmlText) code(name text, c *code) {
	b.raw("<")
	b.raw(name)
	b.attr("csd-code", c.value)
	b.attr("codeSystemName", c.system.name)
	b.attr("originalText", c.meaning)
	b.raw("/>")
}

func (b *xmlText) identification(m *Message) {
	b.raw("<EventIdentification")
	b.attr("EventActionCode", m.verb)
	b.attr("EventDateTime", m.when())
	b.attr("EventOutcomeIndicator", m.indicator.text())
	b.raw(">")
	b.code("EventID", &m.event.id)
	for i := range m.types {
		b.code("EventTypeCode", &m.types[i])
	}
	if m.why != "" {
		b.element("EventOutcomeDescription", m.why)
	}
	b.raw("</EventIdentification>")
}

// when is when it happened (Section A.5.2.5): of what lasted, when a login, or anything
// but a logout, began.
func (m *Message) when() text {
	switch {
	case m.end != "" && len(m.types) > 0 && m.types[0] == *logout:
		return m.end
	case m.begin != "":
		return m.begin
	}
	return m.entry.at
}

// participant writes a participant. In a Security Alert it is who reports that is the
// requestor (Section A.5.3.11).
func (b *xmlText) participant(m *Message, p *participant) {
	requestor := p.requestor
	if m.event == securityAlert {
		requestor = p.reporter
	}
	b.raw("<ActiveParticipant")
	b.attr("UserID", p.id)
	b.attr("AlternativeUserID", p.alias)
	if requestor {
		b.attr("UserIsRequestor", "true")
	} else {
		b.attr("UserIsRequestor", "false")
	}
	if p.address != "" {
		b.attr("NetworkAccessPointID", p.address)
		b.attr("NetworkAccessPointTypeCode", addressType(p.address))
	}
	b.raw(">")
	b.code("RoleIDCode", &p.role)
	b.raw("</ActiveParticipant>")
}

func (b *xmlText) source(m *Message) {
	b.raw("<AuditSourceIdentification")
	b.attr("AuditSourceID", m.source.id)
	b.attr("AuditEnterpriseSiteID", m.source.site)
	b.raw("><AuditSourceTypeCode")
	b.attr("csd-code", m.source.kind)
	b.raw("/></AuditSourceIdentification>")
}

// object writes what it was done to, and the details: their values in Base64, as Section
// A.5.1.1 has them, so that a log of attacks attacks nobody.
func (b *xmlText) object(m *Message) {
	o := &m.object
	b.raw("<ParticipantObjectIdentification")
	b.attr("ParticipantObjectID", o.id)
	b.attr("ParticipantObjectTypeCode", "2") // system object
	b.attr("ParticipantObjectTypeCodeRole", o.role.value)
	b.attr("ParticipantObjectDataLifeCycle", o.stage.value)
	b.raw(">")
	b.code("ParticipantObjectIDTypeCode", &o.idType)
	b.element("ParticipantObjectName", o.name)
	if m.event == securityAlert {
		alert := m.types[len(m.types)-1].meaning
		if m.why != "" {
			alert += ": " + m.why
		}
		b.detail("Alert Description", alert)
	}
	for _, d := range m.about() {
		if d.value != "" {
			b.detail(d.name, d.value)
		}
	}
	for i := range m.details {
		b.detail(m.details[i].name, m.details[i].text())
	}
	b.raw("</ParticipantObjectIdentification>")
}

func (b *xmlText) detail(name, value text) {
	b.raw("<ParticipantObjectDetail")
	b.attr("type", name)
	b.raw(` value="`)
	*b = base64.StdEncoding.AppendEncode(*b, []byte(value))
	b.raw(`"/>`)
}
