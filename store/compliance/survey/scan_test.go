package survey_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/compliance/survey"
)

// What a guard writes each second of the year.
const plainRecord = `{"actor":"spiffe://hospital.example/device/sn-1","subject":"dicom://pacs","address":"10.0.0.7:4711","outcome":"allowed",` +
	`"detail":{"also":"10.1.1.1","begin":"2026-11-02T09:00:00.000001Z","end":"2026-11-02T09:00:01.5Z","guard":"gateway/gw-1","in":412,"key":"00ff",` +
	`"link":"7f","number":"12","operation":"POST","out":-9,"protocol":"http","reason":"Straße","request":"aa","resource":"Observation","response":"bb",` +
	`"route":"fhir","rule":"pumps","serial":"0a","side":"server","since":"2026-11-02T08:00:00+01:00","status":201}}`

// rareRecords are others, each with a trap of JSON's in it.
var rareRecords = []string{
	``, `{}`, `null`, `[]`, `{"detail":{}}`, `{"detail":null}`, ` {"actor":"a"} `, `{"actor":"a"}x`, `{"actor":"a"`, `{"actor":"a",}`, `{,}`,
	`{"Actor":"a"}`, `{"actor":"a","ACTOR":"b"}`, `{"actor":"a","actor":"b"}`, `{"actor":"a","actor":null}`, `{"\u0061ctor":"a"}`, `{"out\u017fome":"a"}`,
	`{"actor":"a\"b"}`, `{"actor":"a\u202eb"}`, `{"actor":"` + "\xff" + `"}`, `{"actor":"` + "\n" + `"}`, `{"actor":1}`, `{"actor":{"a":["b"]}}`, `{"other":[{"a":1e3}]}`,
	`{"other":01}`, `{"other":-}`, `{"other":1.5}`, `{"other":true,"actor":"a"}`, `{"detail":{"in":1.0}}`, `{"detail":{"in":-0}}`, `{"detail":{"in":007}}`,
	`{"detail":{"in":9223372036854775807}}`, `{"detail":{"in":9223372036854775808}}`, `{"detail":{"in":"1"}}`, `{"detail":{"in":1},"detail":{"out":2}}`,
	`{"detail":{"begin":""}}`, `{"detail":{"begin":null}}`, `{"detail":{"begin":"2026-11-02"}}`, `{"detail":{"begin":"2026-11-02T24:00:00Z"}}`,
	`{"detail":{"begin":"2026-11-02T09:00:00,5Z"}}`, `{"detail":{"begin":"2026-11-02T9:00:00Z"}}`, `{"detail":"text"}`, `{"actor":"a" ,"address":"b"}`,
	`{"detail":{"begin":"2026-11-02T09:00:00Z","begin":"x"}}`, `{"other":"0}`,
}

// A guard's record says the same however it is read: the short way, or as JSON is read.
func TestReadAccess(t *testing.T) {
	read, decoded, scanned := survey.ReadAccess([]byte(plainRecord))
	require.True(t, scanned, "what guards write goes the short way")
	require.Equal(t, decoded, read)
	for _, said := range []string{"sn-1", "10.0.0.7", "allowed", "Straße", "In:412", "Out:-9", "time.Date(2026, time.November, 2, 9, 0, 1, 500000000"} {
		require.Contains(t, read, said)
	}
	for _, text := range append(rareRecords, strings.Replace(plainRecord, "412", "412.0", 1), plainRecord[:len(plainRecord)-1]) {
		read, decoded, _ := survey.ReadAccess([]byte(text))
		require.Equal(t, decoded, read, "%q", text)
	}
}

// The short way takes nothing that JSON does not, and takes it for nothing else.
func FuzzReadAccess(f *testing.F) {
	f.Add([]byte(plainRecord))
	for _, text := range rareRecords {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read, decoded, _ := survey.ReadAccess(text)
		require.Equal(t, decoded, read)
	})
}
