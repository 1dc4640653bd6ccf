package allow

// A Request is what somebody asks for. Only the fields of its kind count. Its texts may
// be a stranger's: what no rule could have written down is denied.
type Request struct {
	Kind     Kind
	Listener string // name of the route or listener that it came in by

	// Of HTTP: the method as it was sent, and the decoded path without its query. A
	// path that a server might read in another way than it is written (with empty, . or
	// .. segments, with %, ;, \ or control characters, not UTF-8) is denied whatever the
	// rules say.
	Method, Path string

	// Of FHIR.
	Interaction string // one of [Interactions], or an operation on its level: "instance/$everything"
	Type        string // resource type that the path names; "" for the whole system
	Compartment string // type of the compartment that the path names: Patient of /Patient/1/Observation; "" outside of any
	// Also are the further types that the answer may hold, as by _include; "" stands for
	// any. A rule must cover them all.
	Also []string

	// Of HL7: MSH-9.1 and MSH-9.2, as in "ADT^A01"; MSH-9.1 alone where there is no
	// trigger event. The structure (MSH-9.3) is not part of it.
	Message string

	// Of DICOM, with the spaces of padding removed.
	Called, Calling string // application entity titles
	SOPClass        string // UID; of Propose and Perform
	Command         string // such as "C-STORE"; of Perform
	Step            Step
}

// A Step says how much of a DICOM association is known already. The zero Step is the
// strictest.
type Step uint8

const (
	Perform   Step = iota // a command of an association: everything is known
	Propose               // a presentation context: there is no command yet
	Associate             // the association itself: there are the titles only
	Announce              // the calling title alone: whether the association is refused for it
)
