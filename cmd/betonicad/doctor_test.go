package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store/storetest"
)

// elsewhere returns a folder on another file system than the one of t.TempDir.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "betonica-doctor-")
	if err != nil {
		storetest.LeaveOut(t, "/dev/shm cannot be written to")
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var here, there unix.Stat_t
	require.NoError(t, unix.Stat(t.TempDir(), &here))
	require.NoError(t, unix.Stat(dir, &there))
	if here.Dev == there.Dev {
		storetest.LeaveOut(t, "/dev/shm is on the file system of TMPDIR")
	}
	return dir
}

// wellCA makes a CA as an operator should have it: the root's key carried away,
// passphrase and evidence on another device, lists published, a backup made.
func wellCA(t *testing.T) layout {
	t.Helper()
	other := elsewhere(t)
	d := layout(newCA(t, "--passphrase-file", filepath.Join(other, "passphrase")))
	require.NoError(t, os.RemoveAll(string(d)+".root"))
	evidence := filepath.Join(other, "evidence.log")
	require.NoError(t, os.WriteFile(evidence, contents(t, d.evidence()), 0o600))
	require.NoError(t, os.Remove(d.evidence()))
	rewrite(t, d.config(), `# evidence = "evidence.log"`, fmt.Sprintf("evidence = %q", evidence))
	rewrite(t, d.config(), `# publish_dir = "/srv/www/ca"`, fmt.Sprintf("publish_dir = %q", filepath.Join(filepath.Dir(string(d)), "www")))
	note(t, d, time.Now(), "age1xyz")
	return d
}

// note has a backup on record.
func note(t *testing.T, d layout, at time.Time, recipients ...string) {
	text, err := json.Marshal(server.Backup{At: at, File: "/mnt/ca.age", Bytes: 1, Entries: 9, Recipients: recipients})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(string(d), server.BackupFile), text, 0o600))
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return text
}

// rewrite puts one text of a file in the place of another.
func rewrite(t *testing.T, file, old, new string) {
	t.Helper()
	text := string(contents(t, file))
	require.Contains(t, text, old)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(text, old, new, 1)), 0o600))
}

// examined returns what the doctor finds, at that time from now.
func examined(t *testing.T, d layout, ahead time.Duration) doctor.Report {
	t.Helper()
	c := caseOf(t.Context(), d)
	c.ReadFor, c.Deep = time.Minute, true
	c.Now = func() time.Time { return time.Now().Add(ahead) }
	return doctor.Examine(t.Context(), c, doctor.Checks())
}

// found returns what a report says of one check.
func found(t *testing.T, r doctor.Report, check string) doctor.Result {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == check {
			return c
		}
	}
	t.Fatalf("there is no check %q", check)
	return doctor.Result{}
}

// requireFinding checks that a check found something, in these words, and says what to
// do about it.
func requireFinding(t *testing.T, r doctor.Report, check string, state doctor.Verdict, what, do string) {
	t.Helper()
	c := found(t, r, check)
	for _, f := range c.Findings {
		if f.State == state && strings.Contains(f.What, what) && strings.Contains(f.Do, do) {
			return
		}
	}
	require.Failf(t, "not found", "%s: %s %q, do %q, but:\n%s", check, state, what, do, tableOf(r))
}

// hostChecks depend on the machine that the test runs on.
var hostChecks = []string{"clock", "limits"}

// requireWell checks that nothing is wrong, but with the host.
func requireWell(t *testing.T, r doctor.Report) {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == hostChecks[0] || c.Name == hostChecks[1] {
			continue
		}
		require.Contains(t, []doctor.Verdict{doctor.OK, doctor.Skipped}, c.State, "%s", tableOf(r))
	}
}

// Of a CA as it should be the doctor finds nothing wrong, before its daemon ever ran,
// while it runs, and after; and it leaves the folder as it was.
func TestDoctorWell(t *testing.T) {
	t.Parallel()
	d := wellCA(t)
	before := contents(t, d.database())
	r := examined(t, d, 0)
	require.Equal(t, doctor.Failed, found(t, r, "published").State, "nothing was published yet")
	require.Equal(t, before, contents(t, d.database()))
	require.NoFileExists(t, d.database()+"-shm")

	running := start(t, string(d))
	published := filepath.Join(filepath.Dir(string(d)), "www", "chain.crl.pem")
	require.Eventually(t, func() bool { _, err := os.Stat(published); return err == nil }, time.Minute, 10*time.Millisecond)
	r = examined(t, d, 0)
	requireWell(t, r)
	for _, name := range []string{"daemon", "listeners", "published", "store", "lists"} {
		require.Equal(t, doctor.OK, found(t, r, name).State, name)
	}
	require.NoError(t, running.stop())
	r = examined(t, d, 0)
	requireWell(t, r)
	for _, name := range []string{"daemon", "listeners"} {
		require.Equal(t, doctor.Skipped, found(t, r, name).State, name)
	}
}

// The command writes a table or JSON whose shape stays, and its exit code says how it
// stands.
func TestDoctorCommand(t *testing.T) {
	t.Parallel()
	d := wellCA(t)
	out, _, err := try(t, "doctor", "--dir", string(d), "-o", "json")
	require.Equal(t, 1, exitCode(err), out)
	var r struct {
		Version, Dir, State string
		At                  time.Time
		Checks              []struct {
			Check, State string
			Findings     []struct{ State, What, Do string }
		}
	}
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&r))
	require.Equal(t, []string{string(d), "failed", version()}, []string{r.Dir, r.State, r.Version})
	var names []string
	for _, c := range r.Checks {
		names = append(names, c.Check)
		require.NotEmpty(t, c.Findings)
		for _, f := range c.Findings {
			require.NotEmpty(t, f.What)
			require.Contains(t, []string{"ok", "not checked", "warning", "failed"}, f.State)
			if f.State != "ok" { // what is well may have a hint
				require.Equal(t, f.State != "not checked", f.Do != "", "%s: %s", c.Check, f.What)
			}
		}
	}
	require.Equal(t, []string{"daemon", "configuration", "folder", "keys", "separation", "store", "database", "disk", "certificates", "lists",
		"published", "listeners", "clock", "replicas", "backup", "records", "deliveries", "limits"}, names)

	rewrite(t, d.config(), "publish_dir", "# publish_dir")
	note(t, d, time.Now().Add(-27*time.Hour), "age1xyz")
	out, _, err = try(t, "doctor", "--dir", string(d))
	require.NoError(t, err, out)
	require.Regexp(t, `(?m)^15  backup         warning      the last one is 27 hours old: /mnt/ca.age\n {32}do: run betonicad backup`, out)
	_, _, err = try(t, "doctor", "--dir", string(d), "--strict")
	require.Equal(t, 14, exitCode(err))
	_, _, err = try(t, "doctor", "--dir", string(d), "-o", "xml")
	require.Equal(t, 2, exitCode(err))
	_, _, err = try(t, "doctor")
	require.Equal(t, 2, exitCode(err))
}
