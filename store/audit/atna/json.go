package atna

// JSON returns the message as one line of JSON, in US-ASCII and without its end, with the
// names that Betonica's own lists have for an entry. Its outcome is the log's, its
// indicator DICOM's.
func (m *Message) JSON() []byte { return m.appendJSON(make([]byte, 0, 2<<10)) }

func (m *Message) appendJSON(to []byte) []byte {
	b := jsonText(append(to, '{'))
	e := &m.entry
	b.member("id", m.id)
	b.member("log", m.source.origin)
	b.key("seq")
	b = append(b, e.seq...)
	b.member("at", e.at)
	b.member("source", m.source.id)
	b.member("site", m.source.site)
	b.member("action", e.action)
	b.member("actor", e.actor)
	b.member("subject", e.subject)
	b.member("address", e.address)
	b.member("outcome", e.outcome)
	b.key("indicator")
	b = append(b, m.indicator.text()...)
	b.member("request_id", e.request)
	b.object("detail")
	for i := range m.details {
		d := &m.details[i]
		b.key(d.name)
		if d.other == nil {
			b = appendString(b, d.value)
		} else {
			b = appendValue(b, d.other, 0)
		}
	}
	b.end('}')
	b.member("shortened", m.lost)
	b.member("hash", e.hash)
	b.end('}')
	return b
}

// jsonText is JSON in the making.
type jsonText []byte

// next writes the comma after what is before in the same array or object.
func (b *jsonText) next() {
	switch (*b)[len(*b)-1] {
	case '{', '[', ':':
	default:
		*b = append(*b, ',')
	}
}

func (b *jsonText) begin(c byte) {
	b.next()
	*b = append(*b, c)
}

func (b *jsonText) end(c byte) { *b = append(*b, c) }

func (b *jsonText) key(name text) {
	b.next()
	*b = append(appendString(*b, name), ':')
}

// object begins an object, which is a member if it has a name, and else of an array.
func (b *jsonText) object(name text) {
	if name != "" {
		b.key(name)
	}
	b.begin('{')
}

func (b *jsonText) array(name text) {
	b.key(name)
	b.begin('[')
}

func (b *jsonText) value(s text) {
	b.next()
	*b = appendString(*b, s)
}

// member writes a member that is a string, unless it is empty.
func (b *jsonText) member(name, value text) {
	if value != "" {
		b.key(name)
		*b = appendString(*b, value)
	}
}

func (b *jsonText) boolean(name text, v bool) {
	b.key(name)
	if v {
		*b = append(*b, "true"...)
	} else {
		*b = append(*b, "false"...)
	}
}
