package mllp_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
)

// FuzzLink: whatever a caller sends, and however it is split, the application gets only
// single messages of a type that is allowed, each of them is on record, and every answer
// is one of HL7.
func FuzzLink(f *testing.F) {
	f.Add([]byte("\x0b"+message("ADT^A01", "1")+"\x1c\r\x0b"+message("ORM^O01", "2")+"\x1c\r"), uint16(7), uint8(0))
	f.Add([]byte("\x0b"+message("ADT^A01", "1")+message("ORM^O01", "2")+"\x1c\r"), uint16(0), uint8(2))
	f.Add([]byte("\x0b"+message("ADT^A01", "1", "|||AL|AL")+"\x1c\r\x0b\x06\x1c\r\x0b"+message("ADT^A01", "3", "|||NE|NE")), uint16(30), uint8(1))
	f.Add([]byte("\x0bBHS|^~\\&|\r"+message("ADT^A01", "1")+"\x1c\r\x0bMSH|^~\\&|\x1c\r"), uint16(100), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, size uint16, outstanding uint8) {
		w := newWorld(t, "ADT^A01")
		w.gate.Outstanding = int(outstanding % 4)
		w.gate.MaxMessage = 4 << 10
		w.gate.AnswerTime = 10 * time.Second
		received := w.answerAll(t)
		c := w.call(t)
		go func() {
			for rest := text; len(rest) > 0; {
				n := min(len(rest), int(size)+1)
				if _, err := c.Write(rest[:n]); err != nil {
					break
				}
				rest = rest[n:]
			}
			c.CloseWrite()
		}()
		answers, in := 0, bufio.NewReader(c)
		for {
			answer, err := receive(in)
			if err != nil {
				require.Empty(t, answer)
				break
			}
			if answer != "\x06" && answer != "\x15" {
				require.True(t, strings.HasPrefix(answer, "MSH"), "%q", answer)
				require.Contains(t, answer, "\rMSA")
				answers++
			}
		}
		io.Copy(io.Discard, in)
		<-c.served
		allowed := 0
		for _, r := range w.records.Of(record.Message) {
			if r.Outcome == record.Allowed {
				require.Equal(t, "ADT^A01", r.Operation)
				allowed++
			}
		}
		got := received()
		for _, content := range got {
			if content == "\x06" || content == "\x15" {
				continue
			}
			header, rest, _ := strings.Cut(content, "\r")
			fields := strings.Split(header, content[3:4])
			require.True(t, strings.HasPrefix(fields[8], "ADT"+fields[1][:1]+"A01"), "%q", header)
			require.NotContains(t, rest, "\rMSH")
			require.NotContains(t, content, "\x0b")
		}
		require.GreaterOrEqual(t, allowed, len(got)-answers)
	})
}
