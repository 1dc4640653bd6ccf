package dicom

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// program finds one of Debian's; without it the test is left out, but not in CI.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("left out: no %s", name)
	}
	return path
}

// daemon starts a program that listens on port, and ends it with the test. It returns
// its address once somebody can connect.
func daemon(t *testing.T, port int, name string, args ...string) string {
	t.Helper()
	out := new(bytes.Buffer)
	c := exec.Command(program(t, name), args...)
	c.Stdout, c.Stderr = out, out
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, out)
		}
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
	}
	t.Fatalf("%s does not listen", name)
	return ""
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l := gatetest.Listen(t)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// storescp starts dcmtk's archive, and returns its address and folder.
func storescp(t *testing.T) (address, dir string) {
	t.Helper()
	port, dir := freePort(t), t.TempDir()
	return daemon(t, port, "storescp", "--verbose", "--fork", "-od", dir, "-aet", "ARCHIVE", strconv.Itoa(port)), dir
}

// image makes a DICOM file from testdata.
func image(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ct.dcm")
	out, err := exec.Command(program(t, "dump2dcm"), "testdata/ct.dump", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

// scu runs one of dcmtk's callers against address, and returns what it says.
func scu(t *testing.T, name, address string, args ...string) (string, error) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	args = append([]string{"-v", "-aec", "ARCHIVE"}, args...)
	at := len(args)
	for i, a := range args {
		if a == "--" { // what comes after the address
			at = i
		}
	}
	all := append(append([]string(nil), args[:at]...), host, port)
	if at < len(args) {
		all = append(all, args[at+1:]...)
	}
	out, err := exec.CommandContext(ctx, program(t, name), all...).CombinedOutput()
	return string(out), err
}

// pairs: so many operations are in the records of both guards with the same digests, and
// each association at both ends; nothing is at one end only, or another at the other.
func (p *pair) pairs(t *testing.T, operations int) {
	t.Helper()
	seq := func(g *guarded) iter.Seq2[record.Record, error] {
		return func(yield func(record.Record, error) bool) {
			for _, r := range g.journal.All() {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	count := map[record.Verdict]int{}
	for pair, err := range record.Match(seq(p.client), seq(p.server)) {
		require.NoError(t, err)
		count[pair.Verdict]++
	}
	require.Equal(t, operations, count[record.Matched], "%v", count)
	delete(count, record.Matched)
	delete(count, record.Undigested) // associations
	require.Empty(t, count)
}

var (
	storing = rule("store", allow.DICOMRule{Called: []string{"ARCHIVE"}, Calling: []string{"CT1"}, SOPClasses: []string{ctStorage}, Commands: []string{"C-STORE"}})
	echoing = rule("echo", allow.DICOMRule{Called: []string{"ARCHIVE"}, Calling: []string{"CT1"}, SOPClasses: []string{verification}, Commands: []string{"C-ECHO"}})
)

// dcmtk stores through two guards with TLS between them: both keep the same digests,
// the archive has the file, and the records say who did what.
func TestStore(t *testing.T) {
	archive, dir := storescp(t)
	p := newPair(t, archive, storing, echoing)
	out, err := scu(t, "echoscu", p.client.address, "-aet", "CT1")
	require.NoError(t, err, out)
	out, err = scu(t, "storescu", p.client.address, "-aet", "CT1", "--", image(t))
	require.NoError(t, err, out)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)

	echo := p.server.journal.Nth(t, "C-ECHO", 1)
	require.Equal(t, record.Allowed, echo.Outcome)
	require.Equal(t, "echo", echo.Rule)
	require.Equal(t, verification+" Verification", echo.Resource)

	here, there := p.client.journal.Nth(t, "C-STORE", 1), p.server.journal.Nth(t, "C-STORE", 1)
	require.Equal(t, record.Message, there.Kind)
	require.Equal(t, p.modality.ID(), there.Caller)
	require.Equal(t, "store", there.Rule)
	require.Equal(t, ctStorage+" CT Image Storage", there.Resource)
	require.Zero(t, there.Status, "success")
	require.Greater(t, there.In, int64(16))
	require.Greater(t, there.Out, int64(16))
	require.NotZero(t, there.Request)
	require.NotZero(t, there.Response)
	require.Equal(t, []int64{here.In, here.Out}, []int64{there.In, there.Out})
	for _, g := range []*guarded{p.client, p.server} {
		g.journal.Nth(t, "close", 2)
	}
	p.pairs(t, 2)

	for _, g := range []*guarded{p.client, p.server} {
		closed := g.journal.Nth(t, "close", 2)
		require.Equal(t, record.Allowed, closed.Outcome, closed.Reason)
		require.Equal(t, []string{"CT1", "ARCHIVE"}, []string{closed.Calling, closed.Called})
		for _, r := range g.journal.All() {
			require.NotContains(t, fmt.Sprintf("%+v", r), "3680043", "no instance UID is on record")
			require.NotContains(t, fmt.Sprintf("%+v", r), "Nobody")
		}
	}
}

// Who says another name, asks for what no rule names or is nobody gets DICOM's own
// refusal, and dcmtk says so; the archive hears nothing of it.
func TestRefused(t *testing.T) {
	archive, dir := storescp(t)
	p := newPair(t, archive, storing, echoing)
	out, err := scu(t, "echoscu", p.client.address, "-aet", "MR1")
	require.Error(t, err)
	require.Contains(t, out, "Calling AE Title Not Recognized")
	out, err = scu(t, "echoscu", p.client.address, "-aet", "CT1", "-aec", "OTHER")
	require.Error(t, err)
	require.Contains(t, out, "Called AE Title Not Recognized")

	// A query, beside an echo that is allowed: the association comes about without it.
	out, err = scu(t, "findscu", p.client.address, "-aet", "CT1", "-W", "-k", "0010,0010")
	require.Error(t, err)
	require.Contains(t, out, "Result: Rejected Permanent, Source: Service User")
	require.Contains(t, p.server.journal.Nth(t, "open", 3).Reason, "1.2.840.10008.5.1.4.31")
	q := newPair(t, archive, echoing)
	out, err = scu(t, "storescu", q.client.address, "-aet", "CT1", "--", image(t))
	require.Error(t, err)
	require.Contains(t, out, "Rejected")
	require.Equal(t, record.Refused, q.server.journal.Nth(t, "open", 1).Outcome)

	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, files)
}

// What the guard before the archive refuses pairs with what the guard beside the
// modality saw: the whole request, and the refusal.
func TestRefusedPairs(t *testing.T) {
	archive, dir := storescp(t)
	p := newPair(t, archive, rule("retrieves", allow.DICOMRule{SOPClasses: []string{ctStorage}, Commands: []string{"C-GET"}}))
	out, _ := scu(t, "storescu", p.client.address, "-aet", "CT1", "--", image(t))
	require.Contains(t, out, "0x124")
	here, there := p.client.journal.Nth(t, "C-STORE", 1), p.server.journal.Nth(t, "C-STORE", 1)
	require.Equal(t, []any{record.Allowed, statusNotAuthorized}, []any{here.Outcome, here.Status})
	require.Equal(t, []any{record.Refused, statusNotAuthorized}, []any{there.Outcome, there.Status})
	p.client.journal.Nth(t, "close", 1)
	p.server.journal.Nth(t, "close", 1)
	p.pairs(t, 1)
	require.Zero(t, there.In, "nothing of it went to the archive")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, files)
}

// What is taken out of an association is answered as rejected by the user; what is left
// of it works.
func TestRefusedContext(t *testing.T) {
	archive, dir := storescp(t)
	p := newPair(t, archive, storing)
	// dcmtk proposes many SOP classes, of which one is allowed.
	out, err := scu(t, "storescu", p.client.address, "-d", "-aet", "CT1", "--", image(t))
	require.NoError(t, err, out)
	require.Contains(t, out, "User Rejection")
	refused := p.server.journal.Nth(t, "propose", 1)
	require.Equal(t, record.Refused, refused.Outcome)
	require.Contains(t, refused.Resource, "1.2.840.10008.5.1.4.1.1.")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
}

// A modality that is revoked in the middle of a series is cut off, and both the
// association and what was under way are on record as such.
func TestRevoked(t *testing.T) {
	archive, _ := storescp(t)
	p := newPair(t, archive, storing)
	file := image(t)
	args := []string{"-aet", "CT1", "--repeat", "1000000", "--", file}
	done := make(chan error, 1)
	go func() {
		_, err := scu(t, "storescu", p.client.address, args...)
		done <- err
	}()
	p.server.journal.Nth(t, "C-STORE", 3)
	p.ca.Revoke(p.modality)
	closed := p.server.journal.Nth(t, "close", 1)
	require.Equal(t, record.Cut, closed.Outcome)
	require.Equal(t, gate.Revoked, closed.Reason)
	require.Error(t, <-done, "storescu says that it was cut off")
	require.Contains(t, []record.Outcome{record.Failed, record.Cut}, p.client.journal.Nth(t, "close", 1).Outcome)
	for _, r := range p.server.journal.All() {
		require.True(t, r.Operation == "propose" || r.Outcome == record.Allowed || r.Reason == gate.Revoked, "%+v", r)
	}
}
