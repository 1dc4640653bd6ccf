// Package dicom is the guard's gate for DICOM: it reads associations and the commands
// on them (PS3.7, PS3.8) as far as a rule needs it, and passes image data through
// unread. It stores nothing, and knows no patient.
package dicom
