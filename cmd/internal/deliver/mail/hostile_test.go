package mail

import (
	"mime"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
)

// No stranger's text makes a line of the header, ends the mail or begins another one, or is
// other than it looks.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	sink := s.sink(nil)
	check := func(what string, r received) {
		h, body := read(t, r)
		require.Len(t, h, 9, "%s: %v", what, h)
		subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		require.NoError(t, err)
		for _, line := range append(strings.Split(body, "\r\n"), subject) {
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				require.Fail(t, "what is not printable", "%s: %q", what, line)
			}
		}
	}
	var batch []deliver.Record
	for what, text := range plaintest.Hostile() {
		for _, text := range []string{text, "x\r\n.\r\nMAIL FROM:<evil@evil.example>\r\n" + text} {
			a := anAlert(int64(len(batch) + 1))
			a.Site, a.Subject, a.Facts, a.By, a.Word, a.Why, a.Subjects = text, text, [2]string{text, text}, text, text, text, []string{text}
			a.Entries = []alert.Ref{{Origin: text, Seq: 1}}
			whats := []alert.What{alert.Opening, alert.Acknowledging, alert.Resolving}
			if strings.HasPrefix(what, "C") || len(text) > 10_000 { // of sixty, which differ little; and of those that take long
				whats = whats[:1]
			}
			for _, w := range whats {
				batch = append(batch, record(int64(len(batch)+1), w, a))
				check(what, received{text: string(sink.compose(newsOf(batch[len(batch)-1:])))}) // with who in the subject
			}
		}
	}
	n, err := sink.Send(t.Context(), batch)
	require.NoError(t, err)
	require.Len(t, batch, n)
	mails := s.got()
	require.Len(t, mails, 1)
	check("all", mails[0])
	_, body := read(t, mails[0])
	require.Equal(t, len(batch), strings.Count(body, "\r\n  at:  "), "an alert each, and all of it")
}
