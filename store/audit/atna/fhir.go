package atna

// FHIR returns the message as an AuditEvent of FHIR R4, on one line, in US-ASCII. Its id
// is [Message.ID], and its last entity has it as an identifier, by which a server that
// gives ids of its own can be asked for it.
func (m *Message) FHIR() []byte {
	b := jsonText(append(make([]byte, 0, 4<<10), '{'))
	b.member("resourceType", "AuditEvent")
	b.member("id", m.id)
	if m.profile != "" {
		b.object("meta")
		b.array("profile")
		b.value(m.profile)
		b.end(']')
		b.end('}')
	}
	b.coding("type", &m.event.id)
	b.array("subtype")
	for i := range m.types {
		b.coding("", &m.types[i])
	}
	b.end(']')
	b.member("action", m.verb)
	if m.begin != "" && m.end != "" {
		b.object("period")
		b.member("start", m.begin)
		b.member("end", m.end)
		b.end('}')
	}
	b.member("recorded", m.entry.at)
	b.member("outcome", m.indicator.text())
	b.member("outcomeDesc", m.why)
	b.array("agent")
	for i := range m.people {
		b.agent(&m.people[i])
	}
	b.end(']')
	b.observer(m)
	b.array("entity")
	b.entity(m)
	b.transaction(m)
	b.logEntry(m)
	b.end(']')
	b.end('}')
	return b
}

func (b *jsonText) coding(name text, c *code) {
	b.object(name)
	b.member("system", c.system.uri)
	b.member("code", c.value)
	b.member("display", c.meaning)
	b.end('}')
}

// identified writes a reference to something by its identifier: a URI is one by itself.
func (b *jsonText) identified(name, value text) {
	b.object(name)
	b.object("identifier")
	if isURI(value) {
		b.member("system", "urn:ietf:rfc:3986")
	}
	b.member("value", value)
	b.end('}')
	b.end('}')
}

func (b *jsonText) agent(p *participant) {
	b.begin('{')
	b.object("type")
	b.array("coding")
	b.coding("", &p.role)
	b.end(']')
	b.end('}')
	b.identified("who", p.id)
	b.member("altId", p.alias)
	b.boolean("requestor", p.requestor)
	if p.address != "" {
		b.object("network")
		b.member("address", p.address)
		b.member("type", addressType(p.address))
		b.end('}')
	}
	b.end('}')
}

func (b *jsonText) observer(m *Message) {
	b.object("source")
	b.member("site", m.source.site)
	b.identified("observer", m.source.id)
	b.array("type")
	b.begin('{')
	b.member("system", sourceType.uri)
	b.member("code", m.source.kind)
	b.end('}')
	b.end(']')
	b.end('}')
}

// entity writes what it was done to, and the details.
func (b *jsonText) entity(m *Message) {
	o := &m.object
	b.begin('{')
	if o.kind != "" {
		b.object("what")
		b.member("type", o.kind)
		b.end('}')
	} else {
		b.identified("what", o.id)
	}
	b.coding("type", &object2)
	b.coding("role", &o.role)
	if o.stage != noStage {
		b.coding("lifecycle", &o.stage)
	}
	b.member("name", o.name)
	b.array("detail")
	for _, d := range m.about() {
		b.detail(&d)
	}
	for i := range m.details {
		b.detail(&m.details[i])
	}
	b.end(']')
	b.end('}')
}

// detail writes a detail that is not empty: a string of FHIR has at least one character.
func (b *jsonText) detail(d *detail) {
	value := d.text()
	if value == "" {
		return
	}
	b.begin('{')
	b.member("type", d.name)
	b.member("valueString", value)
	b.end('}')
}

// transaction writes what ties the event to a request (BALP, X-Request-Id). For a guard
// it is what names the access at both of its ends.
func (b *jsonText) transaction(m *Message) {
	if m.request == "" {
		return
	}
	b.begin('{')
	b.object("what")
	b.object("identifier")
	b.member("value", m.request)
	b.end('}')
	b.end('}')
	b.coding("type", &requestID)
	b.end('}')
}

func (b *jsonText) logEntry(m *Message) {
	b.begin('{')
	b.object("what")
	b.object("identifier")
	b.member("system", "urn:ietf:rfc:3986")
	b.member("value", "urn:uuid:"+m.id)
	b.end('}')
	b.end('}')
	b.coding("type", &logEntry)
	b.end('}')
}
