package atna_test

import (
	"bytes"
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

var sender = atna.Sender{Host: "ca.hospital.example", App: "betonicad", PID: "977"}

// header is that of RFC 5424, Section 6, without structured data.
var header = regexp.MustCompile(`^<(8[45])>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) - `)

// A syslog message has the header that audit record repositories look for.
func TestSyslogHeader(t *testing.T) {
	for _, s := range samples {
		for format, id := range map[atna.Format]string{atna.DICOM: "IHE+RFC-3881", atna.JSON: "betonica+json"} {
			m := atna.New(s.entry, s.from)
			b := m.Syslog(sender, format)
			h := header.FindSubmatch(b)
			require.NotNil(t, h, "%s", b)
			want := "85"
			if m.Alert() {
				want = "84"
			}
			require.Equal(t, []string{want, "2026-11-21T21:52:02.200Z", "ca.hospital.example", "betonicad", "977", id},
				[]string{string(h[1]), string(h[2]), string(h[3]), string(h[4]), string(h[5]), string(h[6])})
			content := m.XML()
			if format == atna.JSON {
				content = m.JSON()
			}
			require.Equal(t, string(content), string(b[len(h[0]):]))
		}
	}
}

// What does not belong into a header is not in it.
func TestSyslogSender(t *testing.T) {
	m := atna.New(samples[0].entry, authority)
	for _, from := range []atna.Sender{
		{}, {Host: "a b\n<85>1", App: strings.Repeat("x", 100), PID: "\x00\u202e"}, {Host: strings.Repeat("ü", 300)},
	} {
		require.Regexp(t, header, string(m.Syslog(from, atna.DICOM)))
	}
}

// Frames on one connection are told apart by their lengths alone (RFC 5425, Section 4.3).
func TestFrames(t *testing.T) {
	var stream []byte
	var sent []string
	for _, s := range samples {
		msg := atna.New(s.entry, s.from).Syslog(sender, atna.DICOM)
		sent = append(sent, string(msg))
		stream = atna.Frame(stream, msg)
	}
	require.Equal(t, sent, unframe(t, stream))
}

func unframe(t testing.TB, stream []byte) (out []string) {
	t.Helper()
	for len(stream) > 0 {
		length, rest, ok := bytes.Cut(stream, []byte(" "))
		require.True(t, ok)
		n, err := strconv.Atoi(string(length))
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(n), string(length), "without leading zeros")
		require.LessOrEqual(t, n, len(rest))
		out = append(out, string(rest[:n]))
		stream = rest[n:]
	}
	return out
}

// A message that would be too long for a receiver loses details, the longest first, says
// which, and keeps who, what, the outcome and which entry it is; even where everything
// in it is as long as it can be, and as costly to escape.
func TestShortened(t *testing.T) {
	big := strings.Repeat("b", 8000)
	detail := map[string]any{"small": "s", "x1": big, "x2": big + "b", "x3": big, "x4": []any{big, big, big, big, big, big}, "x5": big}
	e := entry(audit.Event{Action: "certificate.refuse", Actor: "device/pump-7", Subject: "device/pump-7", Outcome: "no", RequestID: "r", Detail: detail})
	var d dicomMessage
	b := atna.New(e, authority).Syslog(sender, atna.DICOM)
	require.LessOrEqual(t, len(b), atna.Limit)
	require.Greater(t, len(b), atna.Limit/2, "no more is lost than need be")
	require.NoError(t, xml.Unmarshal(b[len(header.Find(b)):], &d))
	found := make(map[string]string)
	for _, d := range d.Object.Details {
		found[d.Type] = string(d.Value)
	}
	require.Contains(t, found, "small")
	require.Contains(t, found, "x1")
	for _, gone := range []string{"x2", "x4"} {
		require.NotContains(t, found, gone)
	}
	require.Equal(t, base64Text("x4 x2 x5"), found["shortened"])

	json := string(atna.New(e, authority).Syslog(sender, atna.JSON))
	require.LessOrEqual(t, len(json), atna.Limit)
	require.Contains(t, json, `"shortened":"`)

	for _, costly := range []string{"&", `"`, "é", "漢", "\U0001d11e", "\n", "\xff", "\u202e"} {
		long := strings.Repeat(costly, 1<<16)
		from := atna.Source{ID: "spiffe://" + long, Site: long, Address: long, Origin: long}
		for _, action := range []string{"certificate.refuse", "access.request"} {
			for _, outcome := range []string{long, "refused"} {
				e := entry(audit.Event{
					Action: action, Actor: "a/" + long, Subject: "a/" + long, Address: long, Outcome: outcome, RequestID: long,
					Detail: map[string]any{long: long, "reason": long, "guard": long, "resource": long, "protocol": "fhir", "calling": long, "called": long, "n": map[string]any{long: long}},
				})
				for _, format := range []atna.Format{atna.DICOM, atna.JSON} {
					b := atna.New(e, from).Syslog(atna.Sender{Host: long, App: long, PID: long}, format)
					require.LessOrEqual(t, len(b), atna.Limit, "%q %s %s", costly, action, format)
					require.Regexp(t, header, string(b[:600]))
				}
			}
		}
	}
}
