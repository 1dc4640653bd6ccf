package mllp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const admit = `MSH|^~\&|LAB^1.2.3^ISO|HOSP|EHR|CITY|20261122||ADT^A01^ADT_A01|C-1|P|2.5.1^DEU|||AL|NE||8859/1` + "\rPID|1||4711\r"

// A header is read field by field, with whatever separators it brings.
func TestParseHeader(t *testing.T) {
	want := Header{
		Separators: standard, Application: "LAB^1.2.3^ISO", Facility: "HOSP", ReceivingApplication: "EHR", ReceivingFacility: "CITY",
		Code: "ADT", Event: "A01", ControlID: "C-1", Processing: "P", Version: "2.5.1", Accept: "AL", Answer: "NE", Charset: "8859/1",
	}
	h, err := ParseHeader([]byte(admit), true)
	require.NoError(t, err)
	require.Equal(t, want, h)
	require.Equal(t, "ADT^A01", h.Type())

	h, err = ParseHeader([]byte(strings.NewReplacer("|", "!", "^", "@").Replace(admit)), true)
	require.NoError(t, err)
	require.Equal(t, Separators{'!', `@~\&`}, h.Separators)
	require.Equal(t, "ADT^A01", h.Type())
	require.Equal(t, "2.5.1", h.Version)

	for text, kind := range map[string]string{
		`MSH|^~\&|A|B|C|D|1||ADT|7|P|2.1`:            "ADT", // as old senders write it
		`MSH|^~\&|||||||ACK|7`:                       "ACK",
		`MSH|^|||||||ORU^R01|7|`:                     "ORU^R01", // only one encoding character
		`MSH|^~\&#|||||||ORU^R01^ORU_R01|7||2.7`:     "ORU^R01",
		"MSH|^~\\&|||||||ORU^R01|7\nPID|":            "ORU^R01", // LF for CR
		"MSH|^~\\&|L\xe4b||||||ORU^R01|7||2.3\rPID|": "ORU^R01",
		`FHS|^~\&|A|B|C|D|1||name|comment|7`:         "BATCH",
		`BHS|^~\&|A`:                                 "BATCH",
	} {
		h, err := ParseHeader([]byte(text), true)
		require.NoError(t, err, text)
		require.Equal(t, kind, h.Type())
	}
}

// Of a header that is cut off nothing is taken that might go on.
func TestParseHeaderCut(t *testing.T) {
	whole, err := ParseHeader([]byte(admit), true)
	require.NoError(t, err)
	header, _, _ := strings.Cut(admit, "\r")
	for n := range header {
		h, err := ParseHeader([]byte(header[:n]), false)
		require.Error(t, err)
		for got, want := range map[string]string{
			h.Application: whole.Application, h.Facility: whole.Facility, h.ControlID: whole.ControlID, h.Code: whole.Code, h.Charset: whole.Charset,
		} {
			require.Contains(t, []string{"", want}, got)
		}
	}
}

// A header with more than one reading, or none, is refused; what it takes to answer is
// there whenever the separators are.
func TestParseHeaderRefuses(t *testing.T) {
	long := strings.Repeat("x", maxHeader)
	for _, tt := range []struct {
		text    string
		err     error
		answers bool
		id      string
	}{
		{"", errNoHeader, false, ""},
		{"MSH", errNoHeader, false, ""},
		{"MSH|^", errType, true, ""},
		{"PID|1|2|3", errNoHeader, false, ""},
		{"\xef\xbb\xbfMSH|^~\\&|", errNoHeader, false, ""},
		{"\rMSH|^~\\&|", errNoHeader, false, ""},
		{" MSH|^~\\&|", errNoHeader, false, ""},
		{"msh|^~\\&|", errNoHeader, false, ""},
		{"MSHA^~\\&A", errSeparators, false, ""},
		{"MSH|^~^&|", errSeparators, false, ""},
		{"MSH||||||", errSeparators, false, ""},
		{"MSH|^~\\&#!|", errSeparators, false, ""},
		{"MSH|^ \\&|", errSeparators, false, ""},
		{"MSH\r^~\\&\r", errNoHeader, false, ""},
		{"MSH|A~\\&|", errSeparators, false, ""},
		{"MSH\xff^~\\&|", errSeparators, false, ""},
		{`MSH|^~\&|||||||^A01|7|P`, errType, true, "7"},
		{`MSH|^~\&|||||||ADT^A01~ORM^O01|7|P`, errType, true, "7"},
		{`MSH|^~\&|||||||ADT^A01&x|7|P`, errType, true, "7"},
		{`MSH|^~\&|||||||ADT\S\A01|7|P`, errType, true, "7"},
		{`MSH|^~\&|||||||ADT ^A01|7|P`, errType, true, "7"},
		{`MSH|^~\&|||||||ADT^A01^X^Y|7|P`, errType, true, "7"},
		{`MSH|^~\&|||||||ADT^A01||P`, errControlID, true, ""},
		{`MSH|^~\&|||||||ADT^A01`, errControlID, true, ""},
		{`MSH|^~\&|||||||ADT^A01|` + strings.Repeat("7", maxID+1), errControlID, true, ""},
		{"MSH|^~\\&|||||||ADT^A01|7\x1b[2J|P\r", errControl, true, ""},
		{"MSH|^~\\&|a\tb||||||ADT^A01|7|P\r", errControl, true, "7"},
		{"MSH|^~\\&|||||||ADT^A01|7|\x7f\r", errControl, true, "7"},
		{`MSH|^~\&|` + long, errLong, true, ""},
		{`MSH|^~\&|||||||ADT^A01|7|` + long, errLong, true, "7"},
		{`FHS|^~\&|` + long, errLong, true, ""},
		{"BHS|^~\\&|\x01", errControl, true, ""},
	} {
		h, err := ParseHeader([]byte(tt.text), true)
		require.Equal(t, tt.err, err, "%.60q", tt.text)
		require.Equal(t, tt.answers, h.Separators != Separators{}, "%.60q", tt.text)
		require.Equal(t, tt.id, h.ControlID, "%.60q", tt.text)
	}
}
