// Package fhir says what an HTTP request asks of a FHIR server: which interaction, of
// which resource type, in which compartment (HL7 FHIR R4 and R5, "RESTful API"). It
// reads the method, the path and the query; of a body only the form of a search by
// POST. A search that its parameters keep within a compartment is told from others by the
// definitions of R4, which lie beside as a table. It decides nothing, and knows nothing of HTTP beyond that.
//
// What it cannot name is [ErrUnknown], which a caller that lets in only what a rule
// names refuses. IDs of resources and versions are left out of what it returns: they
// may name a patient, and so must not come into a record.
package fhir
