package atna_test

import (
	"testing"

	"github.com/betonica/betonica/store/audit/atna"
)

// BenchmarkFormats is what a message costs, from the entry on, in each format.
func BenchmarkFormats(b *testing.B) {
	byName := make(map[string]sample)
	for _, s := range samples {
		byName[s.name] = s
	}
	for _, name := range []string{"issued", "FHIR read"} {
		s := byName[name]
		for format, write := range map[string]func(*atna.Message) []byte{
			"dicom":  (*atna.Message).XML,
			"fhir":   (*atna.Message).FHIR,
			"json":   (*atna.Message).JSON,
			"syslog": func(m *atna.Message) []byte { return m.Syslog(sender, atna.DICOM) },
		} {
			b.Run(name+"/"+format, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					write(atna.New(s.entry, s.from))
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
