package fhir

// compartments are the types that a compartment is of (R4, "Compartments").
var compartments = []string{"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"}

// withPatient are the types that have the search parameter "patient" in R4 and in R5.
var withPatient = []string{
	"AllergyIntolerance", "CarePlan", "CareTeam", "Claim", "ClaimResponse", "ClinicalImpression", "Communication",
	"CommunicationRequest", "Composition", "Condition", "Consent", "Coverage", "DetectedIssue", "DeviceRequest",
	"DiagnosticReport", "DocumentReference", "Encounter", "EpisodeOfCare", "ExplanationOfBenefit",
	"FamilyMemberHistory", "Flag", "Goal", "ImagingStudy", "Immunization", "List", "MeasureReport",
	"MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement", "NutritionOrder",
	"Observation", "Procedure", "QuestionnaireResponse", "RelatedPerson", "RiskAssessment", "ServiceRequest",
	"SupplyDelivery", "VisionPrescription",
}

// withSubject are those that have "subject".
var withSubject = []string{
	"CarePlan", "ClinicalImpression", "Communication", "CommunicationRequest", "Composition", "Condition",
	"DeviceRequest", "DiagnosticReport", "DocumentReference", "Encounter", "Flag", "Goal", "ImagingStudy", "List",
	"MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement", "Observation",
	"Procedure", "QuestionnaireResponse", "RiskAssessment", "ServiceRequest",
}
