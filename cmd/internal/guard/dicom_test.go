package guard_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

const imaging = `
[[allow]]
name = "modalities"
peers = ["device/ct-*"]
dicom = {called = ["ARCHIVE"], calling = ["CT1"], sop_classes = ["1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2"], commands = ["C-ECHO", "C-STORE"]}
`

// dicomProgram returns the path of one of dcmtk's, or leaves the test out.
func dicomProgram(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not there", name)
		}
		t.Skipf("left out: %s is not there", name)
	}
	return path
}

// An imagingWorld is a modality beside one guard, and an archive behind the other.
type imagingWorld struct {
	*world
	server, client *running
	archive        *exec.Cmd
	image          string
}

func newImaging(t *testing.T) *imagingWorld {
	w := &imagingWorld{world: newWorld(t), image: filepath.Join(t.TempDir(), "ct.dcm")}
	out, err := exec.Command(dicomProgram(t, "dump2dcm"), "dicom/testdata/ct.dump", w.image).CombinedOutput()
	require.NoError(t, err, "%s", out)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	l.Close()
	w.archive = exec.Command(dicomProgram(t, "storescp"), "-od", t.TempDir(), "-aet", "ARCHIVE", port)
	require.NoError(t, w.archive.Start())
	t.Cleanup(w.stop)
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)

	w.server = w.guard("service/archive", imaging, guard.Route{Name: "dicom", Listen: "127.0.0.1:0", Backend: "dicom://127.0.0.1:" + port})
	w.client = w.guard("device/ct-1", imaging, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "dicoms://" + w.server.Address("dicom").String(), Expect: []string{"spiffe://test.example/service/archive"},
	})
	return w
}

func (w *imagingWorld) stop() {
	w.archive.Process.Kill()
	w.archive.Wait()
}

// scu runs one of dcmtk's callers, and returns what it says.
func (w *imagingWorld) scu(name, title string, args ...string) (string, error) {
	host, port, err := net.SplitHostPort(w.client.Address("out").String())
	require.NoError(w, err)
	ctx, stop := context.WithTimeout(w.Context(), 30*time.Second)
	defer stop()
	args = append([]string{"-v", "-aet", title, "-aec", "ARCHIVE", host, port}, args...)
	out, err := exec.CommandContext(ctx, dicomProgram(w.T, name), args...).CombinedOutput()
	return string(out), err
}

func operation(name string) func(record.Record) bool {
	return func(r record.Record) bool { return r.Operation == name }
}

// dcmtk stores an image through two guards, is refused under another title, and both
// ends keep records that pair.
func TestDICOM(t *testing.T) {
	w := newImaging(t)
	out, err := w.scu("echoscu", "CT1")
	require.NoError(t, err, out)
	out, err = w.scu("storescu", "CT1", w.image)
	require.NoError(t, err, out)
	here, there := w.client.records.wait(operation("C-STORE")), w.server.records.wait(operation("C-STORE"))
	require.Equal(t, []any{record.Allowed, "modalities", "spiffe://test.example/device/ct-1"}, []any{there.Outcome, there.Rule, there.Caller})
	require.Equal(t, []any{here.Link, here.Number, here.Request, here.Response}, []any{there.Link, there.Number, there.Request, there.Response})
	out, err = w.scu("echoscu", "MR1")
	require.Error(t, err)
	require.Contains(t, out, "Calling AE Title Not Recognized")
}

// Revoked in the middle of a series, or with an archive that dies, the modality is told
// by its guard, and the record says why.
func TestDICOMEnds(t *testing.T) {
	for reason, end := range map[string]func(*imagingWorld){
		gate.Revoked: func(w *imagingWorld) { w.ca.Revoke(w.client.source) },
		"target":     func(w *imagingWorld) { w.stop() },
	} {
		w := newImaging(t)
		said := make(chan string, 1)
		go func() {
			out, err := w.scu("storescu", "CT1", "--repeat", "1000000", w.image)
			if err == nil {
				out = "it went well"
			}
			said <- out
		}()
		w.server.records.wait(operation("C-STORE"))
		end(w)
		closed := w.server.records.wait(operation("close"))
		require.NotEqual(t, record.Allowed, closed.Outcome)
		require.Contains(t, closed.Reason, reason)
		require.NotEqual(t, record.Allowed, w.client.records.wait(operation("close")).Outcome)
		require.Contains(t, <-said, "Abort")
	}
}

// An association that nobody uses is aborted at both ends, and recorded as idle.
func TestDICOMIdle(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/archive", imaging, guard.Route{Name: "dicom", Listen: "127.0.0.1:0", Backend: "dicom" + app.url()[len("tcp"):]})
	caller := server.dial("dicom", w.ca.Identity("device/ct-2"))
	_, err := caller.Write(associate(0x01))
	require.NoError(t, err)
	target := app.accept()
	_, err = target.Read(make([]byte, 1000))
	require.NoError(t, err)
	_, err = target.Write(associate(0x02))
	require.NoError(t, err)
	_, err = caller.Read(make([]byte, 1000))
	require.NoError(t, err)
	server.hasten(20 * time.Second)
	for _, c := range []net.Conn{caller, target} {
		abort := make([]byte, 10)
		_, err := io.ReadFull(c, abort)
		require.NoError(t, err)
		require.Equal(t, []byte{7, 0, 0, 0, 0, 4, 0, 0, 2, 0}, abort)
		c.Close()
	}
	closed := server.records.wait(operation("close"))
	require.Equal(t, []any{record.Cut, gate.Idle}, []any{closed.Outcome, closed.Reason})
}

// associate is an A-ASSOCIATE-RQ (1) or -AC (2) for verification.
func associate(kind byte) []byte {
	item := func(kind byte, value ...[]byte) []byte {
		b := bytes.Join(value, nil)
		return append([]byte{kind, 0, byte(len(b) >> 8), byte(len(b))}, b...)
	}
	context := item(0x20+kind-1, []byte{1, 0, 0, 0}, item(0x40, []byte("1.2.840.10008.1.2")))
	if kind == 0x01 {
		context = item(0x20, []byte{1, 0, 0, 0}, item(0x30, []byte("1.2.840.10008.1.1")), item(0x40, []byte("1.2.840.10008.1.2")))
	}
	body := bytes.Join([][]byte{
		{0, 1, 0, 0}, []byte("ARCHIVE         CT1             "), make([]byte, 32),
		item(0x10, []byte("1.2.840.10008.3.1.1.1")), context,
		item(0x50, item(0x51, []byte{0, 0, 0x40, 0}), item(0x52, []byte("1.2.3"))),
	}, nil)
	return append([]byte{kind, 0, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}
