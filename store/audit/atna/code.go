package atna

// A system is a code system, by the name that DICOM knows it by, and by FHIR's URI.
type system struct{ name, uri text }

// A code is one of a system, with its meaning in words, which DICOM wants in each message
// (originalText).
type code struct {
	system  *system
	value   text
	meaning text
}

// OwnSystem is the code system of our actions: an OID out of the UUID
// e5f6ce49-3a42-4289-9a88-1f38121555ff (ITU-T X.667, Section 8), which is this system's
// and no other's, for ever.
const OwnSystem = "urn:oid:2.25.305674700040009752165253867774376498687"

var (
	dcm          = &system{"DCM", "http://dicom.nema.org/resources/ontology/DCM"} // PS3.16, Annex D
	rfc3881      = &system{"RFC-3881", "http://terminology.hl7.org/CodeSystem/audit-entity-type"}
	own          = &system{OwnSystem, OwnSystem}
	eventType    = &system{"audit-event-type", "http://terminology.hl7.org/CodeSystem/audit-event-type"}
	interactions = &system{"restful-interaction", "http://hl7.org/fhir/restful-interaction"}
	entityType   = &system{"audit-entity-type", "http://terminology.hl7.org/CodeSystem/audit-entity-type"}
	objectRole   = &system{"object-role", "http://terminology.hl7.org/CodeSystem/object-role"}
	lifecycle    = &system{"dicom-audit-lifecycle", "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle"}
	sourceType   = &system{"security-source-type", "http://terminology.hl7.org/CodeSystem/security-source-type"}
	participants = &system{"provenance-participant-type", "http://terminology.hl7.org/CodeSystem/provenance-participant-type"}
	extraRoles   = &system{"extra-security-role-type", "http://terminology.hl7.org/CodeSystem/extra-security-role-type"}
	messageTypes = &system{"HL7-0076", "http://terminology.hl7.org/CodeSystem/v2-0076"} // HL7 v2, table 0076
	balpEntity   = &system{"BALP", "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"}
	balpAuthZ    = &system{"BALP", "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType"}
)

// An event is a family of events, with the action code that goes with it unless what was
// spoken has another (PS3.15, Section A.5.3).
type event struct {
	id   code
	verb text // C, R, U, D or E
}

var (
	applicationActivity  = &event{code{dcm, "110100", "Application Activity"}, "E"}
	auditLogUsed         = &event{code{dcm, "110101", "Audit Log Used"}, "R"}
	beginTransferring    = &event{code{dcm, "110102", "Begin Transferring DICOM Instances"}, "E"}
	instancesAccessed    = &event{code{dcm, "110103", "DICOM Instances Accessed"}, "R"}
	instancesTransferred = &event{code{dcm, "110104", "DICOM Instances Transferred"}, "R"}
	dataImport           = &event{code{dcm, "110107", "Import"}, "C"}
	networkEntry         = &event{code{dcm, "110108", "Network Entry"}, "E"}
	orderRecord          = &event{code{dcm, "110109", "Order Record"}, "U"}
	patientRecord        = &event{code{dcm, "110110", "Patient Record"}, "U"}
	procedureRecord      = &event{code{dcm, "110111", "Procedure Record"}, "U"}
	query                = &event{code{dcm, "110112", "Query"}, "E"}
	securityAlert        = &event{code{dcm, "110113", "Security Alert"}, "E"}
	userAuthentication   = &event{code{dcm, "110114", "User Authentication"}, "E"}
	restful              = &event{code{eventType, "rest", "Restful Operation"}, "E"}
)

// Types of events (PS3.16, CID 401 to 403).
var (
	applicationStart   = &code{dcm, "110120", "Application Start"}
	login              = &code{dcm, "110122", "Login"}
	logout             = &code{dcm, "110123", "Logout"}
	attach             = &code{dcm, "110124", "Attach"}
	detach             = &code{dcm, "110125", "Detach"}
	nodeAuthentication = &code{dcm, "110126", "Node Authentication"}
	emergencyStarted   = &code{dcm, "110127", "Emergency Override Started"}
	emergencyStopped   = &code{dcm, "110138", "Emergency Override Stopped"}
	configuration      = &code{dcm, "110129", "Security Configuration"}
	restricted         = &code{dcm, "110132", "Use of Restricted Function"}
	recordingStopped   = &code{dcm, "110133", "Audit Recording Stopped"}
	recordingStarted   = &code{dcm, "110134", "Audit Recording Started"}
	rolesChanged       = &code{dcm, "110136", "Security Roles Changed"}
	attributesChanged  = &code{dcm, "110137", "User Security Attributes Changed"}
	authorization      = &code{balpAuthZ, "AuthZ-Role", "Authorization Decision using only Roles"}
)

// Roles of participants (PS3.16, CID 402).
var (
	application = code{dcm, "110150", "Application"}
	destination = code{dcm, "110152", "Destination Role ID"}
	origin      = code{dcm, "110153", "Source Role ID"}
	custodian   = code{participants, "custodian", "Custodian"}
	authorizer  = code{extraRoles, "authserver", "authorization server"}
)

// Kinds of identifiers of objects (PS3.15, Section A.5.1.2.4, and PS3.16, CID 404).
var (
	nodeID      = code{dcm, "110182", "Node ID"}
	sopClassUID = code{dcm, "110181", "SOP Class UID"}
	uri         = code{rfc3881, "12", "URI"}
	recordID    = code{own, "record", "Record of the certificate authority"}
	resourceID  = code{own, "resource", "Kind of resource"}
	messageID   = code{own, "message", "Kind of message"}
)

// Roles of objects (PS3.15, Section A.5.1.2.2).
var (
	report      = code{objectRole, "3", "Report"}
	domain      = code{objectRole, "4", "Domain Resource"}
	resource    = code{objectRole, "13", "Security Resource"}
	granularity = code{objectRole, "14", "Security Granularity Definition"}
	search      = code{objectRole, "24", "Query"}
)

// Stages of an object's life (PS3.15, Section A.5.1.2.3); the zero code is none.
var (
	created   = code{lifecycle, "1", "Origination / Creation"}
	amended   = code{lifecycle, "3", "Amendment"}
	verified  = code{lifecycle, "4", "Verification"}
	used      = code{lifecycle, "6", "Access / Use"}
	exported  = code{lifecycle, "10", "Export"}
	archived  = code{lifecycle, "13", "Archiving"}
	ended     = code{lifecycle, "14", "Logical deletion"}
	erased    = code{lifecycle, "15", "Permanent erasure / physical destruction"}
	noStage   = code{}
	object2   = code{entityType, "2", "System Object"}
	requestID = code{balpEntity, "XrequestId", "transport specific unique identifier where http X-Request-Id is used"}
	logEntry  = code{own, "log-entry", "Entry of the audit log"}
)

// An indicator is how an event ended: see the package's doc.
type indicator uint8

const (
	fine indicator = iota
	minor
	serious
	major
)

func (i indicator) text() text { return [...]text{"0", "4", "8", "12"}[i] }
