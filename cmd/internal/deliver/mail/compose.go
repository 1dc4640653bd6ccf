package mail

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit/plain"
)

// Bounds of strangers' texts, in bytes.
const (
	maxWho     = 384
	maxText    = 1024
	maxSubject = 160
)

// A news is what became of an alert, as an entry says it.
type news struct {
	alert.Alert
	what   alert.What
	seq    int64
	at     time.Time
	origin string
	hash   tlog.Hash
	index  int // of its record in the batch
}

// newsOf returns what a batch says of alerts.
func newsOf(batch []deliver.Record) (all []news) {
	for i, r := range batch {
		if a, what, ok := alert.FromEntry(r.Entry); ok && !r.Source.Guard {
			all = append(all, news{a, what, r.Entry.Seq, r.Entry.At, r.Source.Origin, r.Entry.Hash, i})
		}
	}
	return all
}

// worthy reports whether there is anything that somebody should read: that an alert repeats
// is not.
func worthy(all []news) bool {
	return slices.ContainsFunc(all, func(n news) bool { return n.what != alert.Counting })
}

// compose writes a mail (RFC 5322), in US-ASCII and with lines of at most 76 characters,
// but for those of the header that cannot be folded.
func (s *Sink) compose(all []news) []byte {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", s.from.String())
	for i, p := range s.people { // one a line; a field may be folded at a comma
		switch i {
		case 0:
			b.WriteString("To: ")
		default:
			b.WriteString(",\r\n ")
		}
		b.WriteString(p.Address.String())
	}
	b.WriteString("\r\n")
	header("Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", subject(all)), "?= =?", "?=\r\n =?"))
	header("Date", time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	header("Message-ID", s.messageID(all))
	header("Auto-Submitted", "auto-generated") // RFC 3834: no vacation answers this
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	for _, line := range body(all) {
		fmt.Fprintf(w, "%s\r\n", line)
	}
	w.Close()
	return b.Bytes()
}

// messageID is the same for the same entries of the same log.
func (s *Sink) messageID(all []news) string {
	first, last := all[0], all[len(all)-1]
	log := sha256.Sum256(slices.Concat([]byte(first.origin), []byte{0}, first.hash[:], last.hash[:]))
	return fmt.Sprintf("<betonica.%x.%d-%d@%s>", log[:8], first.seq, last.seq, strings.Trim(s.conf.Host, "[]"))
}

// subject says how bad it is, and how much; and what, if it is one thing.
func subject(all []news) string {
	worst := alert.Severity(0)
	count := make(map[alert.What]int)
	for _, n := range all {
		count[n.what]++
		if n.what == alert.Opening {
			worst = max(worst, n.Severity)
		}
	}
	var parts []string
	for _, w := range []alert.What{alert.Opening, alert.Acknowledging, alert.Resolving} {
		if c := count[w]; c > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c, words[w]))
		}
	}
	text := "Betonica: "
	if worst > 0 {
		text += strings.ToUpper(worst.String()) + ": "
	}
	text += "alerts: " + strings.Join(parts, ", ")
	if len(all) == 1 {
		rule, _ := alert.RuleOf(all[0].Rule)
		text += ": " + all[0].Rule + " " + rule.Title
		if who := all[0].Subject; who != "" {
			text += ", " + who
		}
	}
	return plain.Clean(text, maxSubject)
}

var words = map[alert.What]string{
	alert.Opening: "opened", alert.Counting: "repeated", alert.Acknowledging: "acknowledged", alert.Resolving: "resolved",
}

// body returns the lines of the text.
func body(all []news) (lines []string) {
	line := func(name, value string, max int) {
		if value != "" {
			lines = append(lines, name+plain.Clean(value, max))
		}
	}
	for _, n := range all {
		rule, _ := alert.RuleOf(n.Rule)
		line("", fmt.Sprintf("%s %d %s: %s %s", strings.ToUpper(n.Severity.String()), n.ID, words[n.what], n.Rule, rule.Title), maxText)
		line("  at:       ", n.at.UTC().Format(time.RFC3339), maxText)
		line("  about:    ", n.Subject, maxWho)
		line("  about:    ", strings.Join(n.Subjects, ", "), maxText)
		line("  site:     ", n.Site, maxWho)
		line("  fact:     ", n.Facts[0], maxText)
		line("  fact:     ", n.Facts[1], maxText)
		if n.Count > 1 {
			line("  found:    ", fmt.Sprintf("%d times, last at %s", n.Count, n.Last.UTC().Format(time.RFC3339)), maxText)
		}
		var refs []string
		for _, r := range n.Entries {
			refs = append(refs, r.String())
		}
		line("  log:      ", strings.Join(refs, ", "), maxText)
		switch n.what {
		case alert.Resolving:
			line("  resolved: ", n.Why, maxText)
		case alert.Acknowledging:
			line("  by:       ", n.By, maxWho)
			line("  word:     ", n.Word, maxText)
		default:
			line("  do:       ", rule.Do, maxText)
			line("  then:     ", fmt.Sprintf("betonica alert ack %d", n.ID), maxText)
		}
		lines = append(lines, "")
	}
	return append(lines, "This was sent by a machine that reads no answers. Show all: betonica alert list")
}
