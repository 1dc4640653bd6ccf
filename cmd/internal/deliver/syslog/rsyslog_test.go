package syslog

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
)

// conf is what the package documentation advises, and where things are.
const conf = `
global(maxMessageSize="64k" workDirectory="%[1]s"
       defaultNetstreamDriverCAFile="%[2]s" defaultNetstreamDriverCertFile="%[3]s" defaultNetstreamDriverKeyFile="%[4]s")
module(load="imtcp" streamDriver.name="%[5]s" streamDriver.mode="1"
       streamDriver.authMode="x509/name" permittedPeer=["%[6]s"])
template(name="raw" type="string" string="%%rawmsg%%\n")
module(load="omprog")
ruleset(name="audit" queue.type="Direct") {
  action(%[7]s template="raw" action.resumeRetryCount="-1" action.resumeInterval="1")
}
input(type="imtcp" address="127.0.0.1" port="%[8]d" listenPortFileName="%[1]s/port" ruleset="audit")
`

// An rsyslog is Debian's, with a configuration of the test's own, in the foreground.
type rsyslog struct {
	t      *testing.T
	a      *wiretest.Authority
	driver string
	dir    string
	store  string // what is written to
	action string // what writes it
	pair   wiretest.Pair
	permit string
	port   int
	cmd    *exec.Cmd
	said   bytes.Buffer
}

// leaveOut skips the test; with CI=true it fails, because there nothing is left out.
func leaveOut(t *testing.T, lacks string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("CI leaves nothing out: " + lacks)
	}
	t.Skip("left out: " + lacks)
}

func newRsyslog(t *testing.T, driver string) *rsyslog {
	t.Helper()
	if _, err := exec.LookPath("rsyslogd"); err != nil {
		leaveOut(t, "rsyslogd is not installed (packages rsyslog, rsyslog-openssl, rsyslog-gnutls)")
	}
	if found, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_" + driver + ".so"); len(found) == 0 {
		leaveOut(t, "rsyslog's driver "+driver+" is not installed")
	}
	a := wiretest.New(t)
	dir := t.TempDir()
	r := &rsyslog{t: t, a: a, driver: driver, dir: dir, store: filepath.Join(dir, "audit.log"), pair: a.Issue("127.0.0.1"), permit: "betonica.hospital.example"}
	r.action = fmt.Sprintf(`type="omfile" file="%s"`, r.store)
	return r
}

// start starts it, at the port that it had before, if any.
func (r *rsyslog) start() {
	r.t.Helper()
	file := filepath.Join(r.dir, "rsyslog.conf")
	require.NoError(r.t, os.WriteFile(file, fmt.Appendf(nil, conf, r.dir, r.a.CAFile, r.pair.CertFile, r.pair.KeyFile, r.driver, r.permit, r.action, r.port), 0o600))
	os.Remove(filepath.Join(r.dir, "port"))
	r.cmd = exec.Command("rsyslogd", "-n", "-f", file, "-i", filepath.Join(r.dir, "pid"))
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(r.t, r.cmd.Start())
	r.t.Cleanup(r.kill)
	require.Eventually(r.t, func() bool {
		text, _ := os.ReadFile(filepath.Join(r.dir, "port"))
		port, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			if port = r.port; port == 0 { // the file is written for any port
				return false
			}
		}
		c, err := net.Dial("tcp", r.address(port))
		if err == nil {
			c.Close()
			r.port = port
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond, "%s", &r.said)
}

func (r *rsyslog) address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func (r *rsyslog) kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// sink returns a sink to it, with a certificate for that name, or none.
func (r *rsyslog) sink(name string) *Sink {
	r.t.Helper()
	var pair *wiretest.Pair
	if name != "" {
		p := r.a.Issue(name)
		pair = &p
	}
	s := sinkTo(r.t, r.a, r.address(r.port), pair)
	s.times.probation, s.times.quiet, s.times.patience = 500*time.Millisecond, 50*time.Millisecond, time.Second
	return s
}

var header = regexp.MustCompile(`<8[45]>1 \S+ \S+ \S+ \S+ IHE\+RFC-3881 - `)

// messages returns the documents that are stored, without those of which only a part was
// written when it was killed.
func (r *rsyslog) messages() (whole []string) {
	r.t.Helper()
	text, err := os.ReadFile(r.store)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(r.t, err)
	}
	for _, part := range header.Split(string(text), -1)[1:] {
		if m, ok := strings.CutSuffix(part, "</AuditMessage>\n"); ok {
			whole = append(whole, m+"</AuditMessage>")
		}
	}
	return whole
}

// stored returns the numbers of the records that it has, in the order of their first
// delivery, and how many repeats there are; each has the id and the hash of the first.
func (r *rsyslog) stored() (order []int64, repeats int) {
	r.t.Helper()
	seen := make(map[string]string)
	for _, m := range r.messages() {
		var d struct {
			Object []struct {
				Details []struct {
					Type  string `xml:"type,attr"`
					Value string `xml:"value,attr"`
				} `xml:"ParticipantObjectDetail"`
			} `xml:"ParticipantObjectIdentification"`
		}
		require.NoError(r.t, xml.Unmarshal([]byte(m), &d))
		found := make(map[string]string)
		for _, o := range d.Object {
			for _, d := range o.Details {
				value, err := base64.StdEncoding.DecodeString(d.Value)
				require.NoError(r.t, err)
				found[d.Type] = string(value)
			}
		}
		id, seq := found["auditId"], found["auditSeq"]
		require.NotEmpty(r.t, id)
		if first, again := seen[id]; again {
			require.Equal(r.t, first, m, "a repeat is the same message")
			repeats++
			continue
		}
		seen[id] = m
		n, err := strconv.ParseInt(seq, 10, 64)
		require.NoError(r.t, err)
		order = append(order, n)
	}
	return order, repeats
}

// deliverAll sends records until they are taken, in batches of 50, as the outbox does: what
// was not taken comes again. between is called before each try.
func deliverAll(t *testing.T, s *Sink, all []deliver.Record, between func(left int)) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for len(all) > 0 {
		between(len(all))
		n, err := s.Send(t.Context(), all[:min(50, len(all))])
		all = all[n:]
		if err != nil && time.Now().After(deadline) {
			require.NoError(t, err)
		}
	}
}

// inOrder holds that the records from 1 on are all stored, each for the first time after
// those before it.
func (r *rsyslog) inOrder(n int) (repeats int) {
	r.t.Helper()
	var want, got []int64
	for i := range n {
		want = append(want, int64(i+1))
	}
	for deadline := time.Now().Add(time.Minute); len(got) < n && time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		got, repeats = r.stored()
	}
	require.Equal(r.t, want, got)
	return repeats
}

// What Debian's rsyslog stores is each record, once and in order, and a valid audit message
// of DICOM's. One that does not want our certificate takes nothing, and when it does want it
// has all of it.
func TestRsyslog(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"gtls", "ossl"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			r := newRsyslog(t, driver)
			r.start()
			nobody := r.sink("")
			n, err := nobody.Send(t.Context(), records(1, 100))
			require.ErrorContains(t, err, "refuses our certificate")
			require.Zero(t, n)
			if driver == "gtls" { // the other does not always look
				stranger := r.sink("evil.example")
				n, err := stranger.Send(t.Context(), records(1, 100))
				require.ErrorContains(t, err, "refuses our certificate")
				require.Zero(t, n)
			}
			require.NoFileExists(t, r.store)
			s := r.sink(r.permit)
			n, err = s.Send(t.Context(), records(1, 100))
			require.NoError(t, err)
			require.Equal(t, 100, n)
			require.Zero(t, r.inOrder(100))
			require.EqualValues(t, tls.VersionTLS13, s.link.conn.ConnectionState().Version)
			r.valid()
		})
	}
}

// valid has libxml2 judge what is stored.
func (r *rsyslog) valid() {
	r.t.Helper()
	args := []string{"--noout", "--nonet", "--relaxng", "../../../../store/audit/atna/testdata/AuditMessage.rng"}
	for i, m := range r.messages() {
		file := filepath.Join(r.dir, strconv.Itoa(i)+".xml")
		require.NoError(r.t, os.WriteFile(file, []byte(m), 0o600))
		args = append(args, file)
	}
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		leaveOut(r.t, "xmllint is not installed (package libxml2-utils)")
	}
	out, err := exec.Command(xmllint, args...).CombinedOutput()
	require.NoError(r.t, err, "%s", out)
	require.Equal(r.t, len(args)-4, strings.Count(string(out), " validates\n"))
}

// Killed at any moment and started again, rsyslog has every record in the end, first ones in
// order, and what it has twice can be told.
func TestRsyslogKilled(t *testing.T) {
	t.Parallel()
	const all = 2_000
	r := newRsyslog(t, "gtls")
	r.start()
	s := r.sink(r.permit)
	kills := []int{1_600, 1_000, 400} // when so many are left
	deliverAll(t, s, records(1, all), func(left int) {
		if len(kills) > 0 && left <= kills[0] {
			kills = kills[1:]
			if len(kills) == 1 { // in the middle of what is being written
				killed := make(chan struct{})
				go func() {
					defer close(killed)
					r.kill()
				}()
				s.Send(t.Context(), records(all-left+1, 50))
				<-killed
			} else {
				r.kill()
			}
			r.start()
		}
	})
	require.NotZero(t, r.inOrder(all), "the tail went again")
}

// TestMain is the program that rsyslog's omprog gives lines to, if it is asked to.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "append" {
		appendLines(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// appendLines appends the lines that come in to a file, and answers each with OK once it is
// on disk.
func appendLines(file string) {
	fmt.Println("OK") // ready
	for in := bufio.NewReader(os.Stdin); ; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err == nil {
			info, _ := f.Stat()
			if _, err = f.Write(line); err != nil {
				f.Truncate(info.Size())
			}
			f.Close()
		}
		if err != nil {
			fmt.Println("no room")
			continue
		}
		fmt.Println("OK")
	}
}

// While its disk is full, an rsyslog whose action asks whether a line is on disk takes as
// much as fits into its buffers, and then no more; killed then, it loses all of that, and
// has it in the end all the same.
func TestRsyslogDiskFull(t *testing.T) {
	t.Parallel()
	r := newRsyslog(t, "gtls")
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=32m"); err != nil {
		leaveOut(t, "a small file system cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	self, err := os.Executable()
	require.NoError(t, err)
	r.store = filepath.Join(disk, "audit.log")
	r.action = fmt.Sprintf(`type="omprog" binary="%s append %s" confirmMessages="on" confirmTimeout="10000"`, self, r.store)
	filler := filepath.Join(disk, "filler")
	require.NoError(t, os.WriteFile(filler, make([]byte, 32<<20-256<<10), 0o600)) // room for a few records
	r.start()
	s := r.sink(r.permit)
	all := records(1, 600)
	for i := range all { // more than the two kernels hold
		all[i].Entry.Detail["padding"], all[i].Entry.Detail["more"] = strings.Repeat("x", 8<<10), strings.Repeat("y", 8<<10)
	}
	taken := 0
	for err == nil && taken < len(all) {
		var n int
		n, err = s.Send(t.Context(), all[taken:taken+2])
		taken += n
	}
	require.ErrorContains(t, err, "for 1s")
	order, _ := r.stored()
	require.Less(t, len(order), taken, "some were taken that are not stored")
	r.kill()
	require.NoError(t, os.Remove(filler))
	r.start()
	deliverAll(t, s, all[taken:], func(int) {})
	r.inOrder(len(all))
}
