package dicom

// names of common SOP classes (PS3.6, Annex A), for records.
var names = map[string]string{
	"1.2.840.10008.1.1":              "Verification",
	"1.2.840.10008.1.20.1":           "Storage Commitment Push Model",
	"1.2.840.10008.3.1.2.3.3":        "Modality Performed Procedure Step",
	"1.2.840.10008.5.1.1.9":          "Basic Grayscale Print Management Meta",
	"1.2.840.10008.5.1.1.18":         "Basic Color Print Management Meta",
	"1.2.840.10008.5.1.4.1.1.1":      "Computed Radiography Image Storage",
	"1.2.840.10008.5.1.4.1.1.1.1":    "Digital X-Ray Image Storage - For Presentation",
	"1.2.840.10008.5.1.4.1.1.1.2":    "Digital Mammography X-Ray Image Storage - For Presentation",
	"1.2.840.10008.5.1.4.1.1.2":      "CT Image Storage",
	"1.2.840.10008.5.1.4.1.1.2.1":    "Enhanced CT Image Storage",
	"1.2.840.10008.5.1.4.1.1.3.1":    "Ultrasound Multi-frame Image Storage",
	"1.2.840.10008.5.1.4.1.1.4":      "MR Image Storage",
	"1.2.840.10008.5.1.4.1.1.4.1":    "Enhanced MR Image Storage",
	"1.2.840.10008.5.1.4.1.1.6.1":    "Ultrasound Image Storage",
	"1.2.840.10008.5.1.4.1.1.7":      "Secondary Capture Image Storage",
	"1.2.840.10008.5.1.4.1.1.9.1.1":  "12-lead ECG Waveform Storage",
	"1.2.840.10008.5.1.4.1.1.11.1":   "Grayscale Softcopy Presentation State Storage",
	"1.2.840.10008.5.1.4.1.1.12.1":   "X-Ray Angiographic Image Storage",
	"1.2.840.10008.5.1.4.1.1.12.2":   "X-Ray Radiofluoroscopic Image Storage",
	"1.2.840.10008.5.1.4.1.1.13.1.3": "Breast Tomosynthesis Image Storage",
	"1.2.840.10008.5.1.4.1.1.20":     "Nuclear Medicine Image Storage",
	"1.2.840.10008.5.1.4.1.1.77.1.6": "VL Whole Slide Microscopy Image Storage",
	"1.2.840.10008.5.1.4.1.1.88.11":  "Basic Text SR Storage",
	"1.2.840.10008.5.1.4.1.1.88.22":  "Enhanced SR Storage",
	"1.2.840.10008.5.1.4.1.1.88.33":  "Comprehensive SR Storage",
	"1.2.840.10008.5.1.4.1.1.88.67":  "X-Ray Radiation Dose SR Storage",
	"1.2.840.10008.5.1.4.1.1.104.1":  "Encapsulated PDF Storage",
	"1.2.840.10008.5.1.4.1.1.128":    "Positron Emission Tomography Image Storage",
	"1.2.840.10008.5.1.4.1.1.481.1":  "RT Image Storage",
	"1.2.840.10008.5.1.4.1.1.481.2":  "RT Dose Storage",
	"1.2.840.10008.5.1.4.1.1.481.3":  "RT Structure Set Storage",
	"1.2.840.10008.5.1.4.1.1.481.5":  "RT Plan Storage",
	"1.2.840.10008.5.1.4.1.2.1.1":    "Patient Root Query/Retrieve - FIND",
	"1.2.840.10008.5.1.4.1.2.1.2":    "Patient Root Query/Retrieve - MOVE",
	"1.2.840.10008.5.1.4.1.2.1.3":    "Patient Root Query/Retrieve - GET",
	"1.2.840.10008.5.1.4.1.2.2.1":    "Study Root Query/Retrieve - FIND",
	"1.2.840.10008.5.1.4.1.2.2.2":    "Study Root Query/Retrieve - MOVE",
	"1.2.840.10008.5.1.4.1.2.2.3":    "Study Root Query/Retrieve - GET",
	"1.2.840.10008.5.1.4.31":         "Modality Worklist - FIND",
}

// resource is how a record names a SOP class: its UID, and the name of a common one
// after a space.
func resource(class string) string {
	if name, ok := names[class]; ok {
		return class + " " + name
	}
	return class
}
