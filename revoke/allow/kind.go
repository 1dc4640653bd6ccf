package allow

// A Kind is the protocol that a request is of. A rule is of one kind too, and never
// covers a request of another.
type Kind uint8

const (
	TCP   Kind = 1 + iota // a connection, with whatever goes over it
	HTTP                  // method and path
	FHIR                  // interaction, resource types and compartment of FHIR's REST API
	HL7                   // an HL7 v2 message, by its MSH-9
	DICOM                 // an association, a presentation context or a command

	kinds
)

// String returns the kind as rule files write it; "unknown" for the zero Kind.
func (k Kind) String() string {
	if k >= kinds {
		k = 0
	}
	return [kinds]string{"unknown", "tcp", "http", "fhir", "hl7", "dicom"}[k]
}
