package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// ReadBundle calls each with the entries of a bundle as its lines have them in clear, and
// believes them: [VerifyBundle] says whether they are to be believed. An entry whose data
// key is gone has only what is in clear of it.
func ReadBundle(r io.Reader, each func(Entry) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 0; lines.Scan(); n++ {
		if n == 0 || bytes.HasPrefix(lines.Bytes(), []byte(`{"end":`)) {
			continue // header and footer
		}
		var line bundleEntry
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(&line); err != nil {
			return fmt.Errorf("audit: line %d of the bundle: %w", n+1, err)
		}
		at, err := time.Parse(time.RFC3339Nano, line.At)
		if err != nil {
			return fmt.Errorf("audit: line %d of the bundle: %w", n+1, err)
		}
		b := line.body
		if err := each(Entry{Seq: line.Seq, At: at, Event: Event{Action: line.Action, Actor: b.Actor, Subject: b.Subject, Address: b.Address, Outcome: b.Outcome, RequestID: b.RequestID, Detail: b.Detail}}); err != nil {
			return err
		}
	}
	return lines.Err()
}
