// Package allow says who may reach a service, and for what: rules on SPIFFE IDs, and on
// HTTP methods and paths, FHIR interactions and resource types, HL7 messages, DICOM
// titles and SOP classes. What no rule names is denied. It decides only; it reads no
// file, verifies no certificate and looks at no revocation, and whom it is asked about
// must have been authenticated before.
//
// [Peers] are enough for whoever lets a peer do everything or nothing, and a [Set] of
// rules adds what it may do. Both are parsed once and then match without allocating;
// both are safe for concurrent use.
package allow
