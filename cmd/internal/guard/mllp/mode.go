package mllp

// Acknowledgement types of MSH-15 and MSH-16 (table 0155).
const (
	always    = "AL"
	never     = "NE"
	onError   = "ER"
	onSuccess = "SU"
)

// enhanced says whether the sender asked for enhanced mode, which it does by either of
// MSH-15 and MSH-16 (HL7 v2.5.1, Section 2.9).
func (h *Header) enhanced() bool { return h.Accept != "" || h.Answer != "" }

// acknowledges says whether the message is itself an acknowledgement, which nobody
// acknowledges, or two systems would never end.
func (h *Header) acknowledges() bool { return h.Code == "ACK" || h.Code == "MCF" }

// awaits says whether the sender waits for an answer of this type: whether it comes
// whatever happens. A type that there is not is taken as AL.
func awaits(kind string) bool {
	return kind != "" && kind != never && kind != onError && kind != onSuccess
}

// owed says whether the message has an answer that will come, so that what follows must
// wait for it; with MSH-15 the accept acknowledgement, otherwise the application's.
func (h *Header) owed() bool {
	switch {
	case h.acknowledges():
		return false
	case !h.enhanced():
		return true
	case h.Accept == "" || h.Accept == never:
		return awaits(h.Answer)
	}
	return awaits(h.Accept)
}

// more says whether an answer may come after what is owed, at any time.
func (h *Header) more() bool {
	some := func(kind string) bool { return kind != "" && kind != never }
	if h.acknowledges() || !h.enhanced() {
		return false
	}
	return some(h.Answer) || !h.owed() && some(h.Accept)
}

// refusal returns the code that tells the sender v; "" if it wants none. In enhanced
// mode it is the accept acknowledgement that says no, after which none of the
// application follows (Section 2.9.3.1). Who wants no accept acknowledgement gets the
// application's, as if the application had looked (Section 2.9.3.2); who wants that
// neither is told nothing.
func (h *Header) refusal(v verdict) string {
	w := v.words()
	told := func(kind string) bool { return kind == onError || awaits(kind) }
	switch {
	case h.acknowledges():
		return ""
	case !h.enhanced():
		return w.application
	case told(h.Accept):
		return w.accept
	case told(h.Answer):
		return w.application
	}
	return ""
}
