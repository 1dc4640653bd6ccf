package mllp

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// An answer is of the message's own version, and goes back where the message came from.
func TestAcknowledge(t *testing.T) {
	for _, tt := range []struct {
		version, header string
		rest            []string
	}{
		{"2.1", "ACK", []string{"MSA|AR|C-1|this sender may not send this message type"}},
		{"2.3", "ACK^A01", []string{"MSA|AR|C-1|this sender may not send this message type|||200^Unsupported message type^HL70357"}},
		{"2.3.1", "ACK^A01^ACK", []string{"MSA|AR|C-1|this sender may not send this message type|||200^Unsupported message type^HL70357"}},
		{"2.5.1", "ACK^A01^ACK", []string{
			"MSA|AR|C-1|this sender may not send this message type",
			"ERR||MSH^1^9|200^Unsupported message type^HL70357|E||||this sender may not send this message type",
		}},
		{"2.8", "ACK^A01^ACK", []string{
			"MSA|AR|C-1",
			"ERR||MSH^1^9|200^Unsupported message type^HL70357|E||||this sender may not send this message type",
		}},
	} {
		h, err := ParseHeader([]byte(`MSH|^~\&|LAB|HOSP|EHR|CITY|1||ADT^A01|C-1|T|`+tt.version+"\r"), true)
		require.NoError(t, err)
		lines := strings.Split(string(h.acknowledge(notAllowed, noon)), "\r")
		msh := strings.Split(lines[0], "|")
		require.Len(t, msh[9], 20)
		msh[9] = "ours"
		require.Equal(t, `MSH|^~\&|EHR|CITY|LAB|HOSP|20261122120000+0000||`+tt.header+`|ours|T|`+tt.version, strings.Join(msh, "|"))
		require.Equal(t, append(tt.rest, ""), lines[1:])
	}
	h, err := ParseHeader([]byte(`MSH|^~\&|L`+"\xe4"+`b||||||ADT^A01|C-1|P|2.3||||||8859/1`), true)
	require.NoError(t, err)
	require.Contains(t, string(h.acknowledge(notAllowed, noon)), "|L\xe4b|", "in the sender's own bytes")
	require.Contains(t, string(h.acknowledge(notAllowed, noon)), "|P|2.3||||||8859/1\r", "and by the name of its own character set")
}

// Text of ours that has a separator of this message in it is left out.
func TestAcknowledgeOwnText(t *testing.T) {
	h, err := ParseHeader([]byte("MSH|+.\\&|A|B|C|D|||ADT+A01|C-1|P\r"), true)
	require.NoError(t, err)
	msh := strings.Split(strings.Split(string(h.acknowledge(notAllowed, noon)), "\r")[0], "|")
	require.Equal(t, []string{"MSH", "+.\\&", "C", "D", "A", "B", "", "", "ACK", msh[9], "P", ""}, msh)
}

// MSH-15 and MSH-16 say which answers there are, and which code a refusal has.
func TestModes(t *testing.T) {
	for _, tt := range []struct {
		kind, accept, answer string
		owed, more           bool
		refused, unreadable  string
	}{
		{"ADT^A01", "", "", true, false, "AR", "AE"},
		{"ADT^A01", `""`, `""`, true, false, "AR", "AE"},
		{"ADT^A01", "AL", "", true, false, "CR", "CE"},
		{"ADT^A01", "AL", "NE", true, false, "CR", "CE"},
		{"ADT^A01", "AL", "AL", true, true, "CR", "CE"},
		{"ADT^A01", "ER", "NE", false, true, "CR", "CE"},
		{"ADT^A01", "NE", "AL", true, true, "AR", "AE"},
		{"ADT^A01", "", "AL", true, true, "AR", "AE"},
		{"ADT^A01", "NE", "ER", false, true, "AR", "AE"},
		{"ADT^A01", "SU", "SU", false, true, "", ""},
		{"ADT^A01", "NE", "NE", false, false, "", ""},
		{"ADT^A01", "NE", "", false, false, "", ""},
		{"ACK^A01", "", "", false, false, "", ""},
		{"ACK", "AL", "AL", false, false, "", ""},
	} {
		h, err := ParseHeader([]byte(`MSH|^~\&|||||||`+tt.kind+`|C-1|P|2.5.1|||`+tt.accept+`|`+tt.answer), true)
		require.NoError(t, err)
		require.Equal(t, tt.owed, h.owed(), tt)
		require.Equal(t, tt.more, h.more(), tt)
		require.Equal(t, tt.refused, h.refusal(notAllowed), tt)
		require.Equal(t, tt.unreadable, h.refusal(malformed), tt)
		require.Equal(t, tt.refused == "", h.acknowledge(notAllowed, noon) == nil)
	}
}

// An answer is what has an MSA segment in its place.
func TestParseAnswer(t *testing.T) {
	const msh = `MSH|^~\&|||||||ACK|1|P|2.5` + "\r"
	for text, want := range map[string]string{
		msh + "MSA|AA|C-1\r":                      "AA C-1",
		msh + "MSA|CE|C-1|text":                   "CE C-1",
		msh + "MSA|AE\r":                          "AE ",
		msh + "SFT|x\rSFT|y\rMSA|AR|7\rERR|":      "AR 7",
		"MSH|^~\\&|||||||RSP^K22\nMSA|AA|7\nQAK|": "AA 7",
		"BHS|^~\\&|A\rMSH|":                       " ",
		"MSH!^~\\&!!!!!!!ACK!1\rMSA!AA!7":         "AA 7",
	} {
		a, err := parseAnswer([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, a.code+" "+a.to)
	}
	for text, want := range map[string]error{
		"":                            errNoHeader,
		"\x06":                        errNoHeader,
		msh:                           errNoAnswer,
		"MSA|AA|7":                    errNoHeader,
		msh + "PID|1\rNTE|MSA|AA|7\r": errNoAnswer,
		msh + "MSA^AA^7\r":            errNoAnswer,
		msh + "MSA|XX|7\r":            errCode,
		msh + "MSA|AA|7\x1b\r":        errControlID,
		msh + strings.Repeat("A|\r", 16) + "MSA|AA|7": errNoAnswer,
	} {
		_, err := parseAnswer([]byte(text))
		require.Equal(t, want, err, text)
	}
}
