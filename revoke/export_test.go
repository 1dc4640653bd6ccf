package revoke

// LimitEvents has deltas of more bytes than this announced by a pointer.
func (c *PublisherConfig) LimitEvents(bytes int) { c.maxEvent = bytes }
