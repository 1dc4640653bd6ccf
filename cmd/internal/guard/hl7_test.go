package guard_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

const admissions = `
[[allow]]
name = "admissions"
peers = ["device/pump-*"]
hl7 = {messages = ["ADT^A01", "ORU^*"]}
`

// hl7 is a message of a type.
func hl7(kind, id string) string {
	return `MSH|^~\&|LAB|HOSP|EHR|CITY|20261122120000||` + kind + "|" + id + "|P|2.5.1\rPID|1||4711||DOE^JANE\r"
}

func framed(content string) string { return "\x0b" + content + "\x1c\r" }

// hl7Guards runs a guard before an HL7 application, and one beside a sender.
func (w *world) hl7Guards(backend string) (server, client *running) {
	server = w.guard("service/ehr", admissions, guard.Route{Name: "hl7", Listen: "127.0.0.1:0", Backend: backend})
	client = w.guard("device/pump-1", admissions, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "mllps://" + server.Address("hl7").String(), Expect: []string{"spiffe://test.example/service/ehr"},
	})
	return server, client
}

// Debian's python, of which the package python3-hl7 is.
const debianPython, mllpSend = "/usr/bin/python3", "/usr/bin/mllp_send"

// needHL7 leaves the test out where there is no python3-hl7.
func needHL7(t *testing.T) {
	if exec.Command(debianPython, "-c", "import hl7").Run() == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("python3-hl7 is not there")
	}
	t.Skip("left out: python3-hl7 is not there")
}

// parseAnswers prints MSA-1 and MSA-2 of the answers that come in.
const parseAnswers = `
import hl7, sys
for block in sys.stdin.buffer.read().decode().split("\x1c")[:-1]:
    answer = hl7.parse(block.strip("\x0b\r\n") + "\r").segment("MSA")
    print(answer[1], answer[2])
`

// A sender and a receiver that others wrote exchange messages through two guards, which
// answer by themselves what no rule allows; the sender understands all of it. The
// records of both ends pair: same connection, same numbers, same digests.
func TestHL7Foreign(t *testing.T) {
	needHL7(t)
	receiver := exec.CommandContext(t.Context(), debianPython, "testdata/hl7_receiver.py")
	out, err := receiver.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, receiver.Start())
	defer receiver.Wait()
	defer receiver.Process.Kill()
	lines := bufio.NewReader(out)
	line := func() string {
		text, err := lines.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimSpace(text)
	}
	w := newWorld(t)
	server, client := w.hl7Guards("mllp://127.0.0.1:" + line())

	file := filepath.Join(t.TempDir(), "messages")
	text := framed(hl7("ADT^A01^ADT_A01", "C1")) + framed(hl7("ORM^O01^ORM_O01", "C2")) + framed(hl7("ORU^R01^ORU_R01", "C3"))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	host, port, err := net.SplitHostPort(client.Address("out").String())
	require.NoError(t, err)
	answers, err := exec.CommandContext(t.Context(), mllpSend, "--port", port, "--file", file, host).CombinedOutput()
	require.NoError(t, err, "%s", answers)
	parser := exec.CommandContext(t.Context(), debianPython, "-c", parseAnswers)
	parser.Stdin = bytes.NewReader(answers)
	parsed, err := parser.CombinedOutput()
	require.NoError(t, err, "%s", parsed)
	codes := strings.Split(strings.TrimSpace(string(parsed)), "\n")
	require.Equal(t, []string{"AA C1", "AR C2", "AA C3"}, codes, "%q", answers)
	require.Equal(t, []string{"ADT^A01^ADT_A01 C1", "ORU^R01^ORU_R01 C3"}, []string{line(), line()})

	for number, outcome := range map[string]record.Outcome{"1": record.Allowed, "2": record.Refused, "3": record.Allowed} {
		is := func(r record.Record) bool { return r.Kind == record.Message && r.Number == number }
		at, from := server.records.wait(is), client.records.wait(is)
		require.Equal(t, outcome, at.Outcome)
		require.Equal(t, record.Allowed, from.Outcome, "who may send is for the other end to say")
		require.NotEmpty(t, at.Link)
		require.Equal(t, []any{at.Link, at.Operation, at.Answer, at.Request, at.Response, at.In, at.Out}, []any{from.Link, from.Operation, from.Answer, from.Request, from.Response, from.In, from.Out})
	}
	closed := server.records.wait(func(r record.Record) bool { return r.Operation == "close" })
	require.Equal(t, record.Allowed, closed.Outcome, closed.Reason)
}

// Who is revoked in the middle of a message has not sent it, at either end of the wire.
func TestHL7Revoked(t *testing.T) {
	begin := "\x0b" + hl7("ADT^A01", "C1") + strings.Repeat("x", 200<<10)
	for _, beside := range []bool{true, false} {
		w := newWorld(t)
		app := w.backend()
		server, client := w.hl7Guards(strings.Replace(app.url(), "tcp:", "mllp:", 1))
		var c net.Conn
		revoked, at := w.ca.Identity("device/pump-2"), server
		if beside {
			var err error
			c, err = net.Dial("tcp", client.Address("out").String())
			require.NoError(t, err)
			defer c.Close()
			revoked, at = server.source, client
		} else {
			c = server.dial("hl7", revoked)
		}
		target := app.accept()
		_, err := io.WriteString(c, begin)
		require.NoError(t, err)
		_, err = target.Read(make([]byte, 1)) // it is under way
		require.NoError(t, err)
		w.ca.Revoke(revoked)
		rest, err := io.ReadAll(target)
		require.NotContains(t, string(rest), "\x1c", err)
		if beside { // its sender is told when it has sent the rest
			_, err = io.WriteString(c, "\x1c\r")
			require.NoError(t, err)
			answer, err := bufio.NewReader(c).ReadString('\x1c')
			require.NoError(t, err)
			require.Contains(t, answer, "\rMSA|AE|C1|")
		} else {
			ended(t, c)
		}
		r := at.records.wait(func(r record.Record) bool { return r.Kind == record.Message })
		require.Equal(t, []any{record.Cut, gate.Revoked}, []any{r.Outcome, r.Reason}, beside)
	}
}

// Who is revoked while its message is with the application is cut at once, too, and
// the record does not wait for the answer.
func TestHL7RevokedWaiting(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server, _ := w.hl7Guards(strings.Replace(app.url(), "tcp:", "mllp:", 1))
	pump := w.ca.Identity("device/pump-2")
	c := server.dial("hl7", pump)
	target := app.accept()
	_, err := io.WriteString(c, framed(hl7("ADT^A01", "C1"))+framed(hl7("ADT^A01", "C2")))
	require.NoError(t, err)
	_, err = bufio.NewReader(target).ReadString('\x1c')
	require.NoError(t, err)
	w.ca.Revoke(pump)
	ended(t, c)
	ended(t, target)
	for _, number := range []string{"1", "2"} { // the second of them was with the guard
		r := server.records.wait(func(r record.Record) bool { return r.Kind == record.Message && r.Number == number })
		require.Equal(t, []any{record.Cut, gate.Revoked, ""}, []any{r.Outcome, r.Reason, r.Answer})
	}
}
