package backup

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// content is what the parts of a small backup hold.
var content = map[string]string{
	DatabaseName:                    strings.Repeat("a page ", 1000),
	FilePrefix + "betonica.toml":    "[server]\n",
	FilePrefix + "keys/log.key":     "sealed",
	FilePrefix + "keys/root.crl":    "",
	FilePrefix + "keys/a-b.c/d.pem": "deep",
}

var order = []string{DatabaseName, FilePrefix + "betonica.toml", FilePrefix + "keys/log.key", FilePrefix + "keys/root.crl", FilePrefix + "keys/a-b.c/d.pem"}

func manifest(t testing.TB) Manifest {
	m := Manifest{
		At: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Program: "1", TrustDomain: "hospital.example", Engine: "sqlite", Schema: 5,
		Incarnation: "00", Entries: 3, Root: "x", Checkpoint: "note", CRLNumber: 1000,
	}
	for _, name := range order {
		p, err := Sum(name, strings.NewReader(content[name]))
		require.NoError(t, err)
		m.Parts = append(m.Parts, p)
	}
	return m
}

func open(p Part) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(content[p.Name])), nil
}

func written(t testing.TB) []byte {
	var b bytes.Buffer
	require.NoError(t, Write(&b, manifest(t), open))
	return b.Bytes()
}

// read reads a backup and returns what its parts held.
func read(r io.Reader) (m Manifest, got map[string]string, err error) {
	got = map[string]string{}
	err = Read(r, func(has Manifest) error { m = has; return nil }, func(p Part, r io.Reader) error {
		text, err := io.ReadAll(r)
		got[p.Name] = string(text)
		return err
	})
	return m, got, err
}

// What was written is read, all of it; and tar itself can list it.
func TestRoundTrip(t *testing.T) {
	text := written(t)
	m, got, err := read(bytes.NewReader(text))
	require.NoError(t, err)
	want := manifest(t)
	want.Format = Format
	require.Equal(t, want, m)
	require.Equal(t, content, got)
	in := tar.NewReader(bytes.NewReader(text))
	h, err := in.Next()
	require.NoError(t, err)
	require.Equal(t, manifestName, h.Name)

	// What a reader leaves is checked all the same.
	require.NoError(t, Read(bytes.NewReader(text), func(Manifest) error { return nil }, func(Part, io.Reader) error { return nil }))
}

// A backup that is cut off anywhere, or has one bit turned, is never taken for whole.
func TestDamage(t *testing.T) {
	text := written(t)
	end := len(text) - 1024 - (512 - len("deep")) // padding: nothing of the backup's
	for n := 0; n < end; n += 97 {
		_, _, err := read(bytes.NewReader(text[:n]))
		require.Error(t, err, "cut off at %d", n)
	}
	for n := 0; n < end; n += 13 {
		turned := bytes.Clone(text)
		turned[n] ^= 1 << (n % 8)
		m, got, err := read(bytes.NewReader(turned))
		if err == nil { // in padding, or in what the head says of owners
			want := manifest(t)
			want.Format = Format
			require.Equal(t, want, m)
			require.Equal(t, content, got)
		}
	}
}

// A file that changes while it is backed up makes no backup.
func TestWriteChecks(t *testing.T) {
	for _, other := range []string{"", "sealeD", "sealed and more"} {
		err := Write(io.Discard, manifest(t), func(p Part) (io.ReadCloser, error) {
			if p.Name == FilePrefix+"keys/log.key" {
				return io.NopCloser(strings.NewReader(other)), nil
			}
			return open(p)
		})
		require.Error(t, err, "%q", other)
	}
}

// archive is a tar archive of a manifest and members that need not fit it.
func archive(t testing.TB, m any, members ...tar.Header) []byte {
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	write := func(name string, text []byte) {
		require.NoError(t, out.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600}))
		_, err := out.Write(text)
		require.NoError(t, err)
	}
	write(manifestName, text)
	write(digestName, digest(text))
	for _, h := range members {
		require.NoError(t, out.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg || h.Typeflag == 0 {
			_, err = io.CopyN(out, zeros{}, h.Size)
			require.NoError(t, err)
		}
	}
	require.NoError(t, out.Close())
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// What an archive that was made to harm names is never handed out.
func TestHostile(t *testing.T) {
	with := func(change func(*Manifest)) Manifest {
		m := manifest(t)
		m.Format = Format
		change(&m)
		return m
	}
	for name, m := range map[string]Manifest{
		"another version":    with(func(m *Manifest) { m.Format = 2 }),
		"another engine":     with(func(m *Manifest) { m.Engine = "oracle" }),
		"no parts":           with(func(m *Manifest) { m.Parts = nil }),
		"no database":        with(func(m *Manifest) { m.Parts = m.Parts[1:] }),
		"out of the folder":  with(func(m *Manifest) { m.Parts[1].Name = "files/../../etc/passwd" }),
		"absolute":           with(func(m *Manifest) { m.Parts[1].Name = "files//etc/passwd" }),
		"another folder":     with(func(m *Manifest) { m.Parts[1].Name = "betonica.toml" }),
		"hidden":             with(func(m *Manifest) { m.Parts[1].Name = "files/.ssh" }),
		"a dot":              with(func(m *Manifest) { m.Parts[1].Name = "files/." }),
		"a backslash":        with(func(m *Manifest) { m.Parts[1].Name = `files/a\b` }),
		"a NUL":              with(func(m *Manifest) { m.Parts[1].Name = "files/a\x00b" }),
		"too deep":           with(func(m *Manifest) { m.Parts[1].Name = "files/a/b/c/d" }),
		"a long name":        with(func(m *Manifest) { m.Parts[1].Name = "files/" + strings.Repeat("a", 90) }),
		"twice":              with(func(m *Manifest) { m.Parts[1].Name = m.Parts[2].Name }),
		"twice, in capitals": with(func(m *Manifest) { m.Parts[1].Name = "files/KEYS/log.key" }),
		"a negative size":    with(func(m *Manifest) { m.Parts[0].Size = -1 }),
		"a huge file":        with(func(m *Manifest) { m.Parts[1].Size = MaxFile + 1 }),
		"no digest":          with(func(m *Manifest) { m.Parts[1].SHA256 = "" }),
		"too many":           with(func(m *Manifest) { m.Parts = make([]Part, maxParts+1) }),
	} {
		begun, got, err := read(bytes.NewReader(archive(t, m)))
		require.Error(t, err, name)
		require.Empty(t, begun.Parts, name)
		require.Empty(t, got, name)
		var damage *DamagedError
		require.True(t, errors.As(err, &damage) != errors.Is(err, ErrFormat), "%s: %v", name, err)
	}
	one := with(func(m *Manifest) { m.Parts = m.Parts[:1] })
	for name, text := range map[string][]byte{
		"no manifest":      archive(t, one)[1024:],
		"a long manifest":  archive(t, strings.Repeat("x", maxManifest+1)),
		"another manifest": bytes.Replace(written(t), []byte("hospital.example"), []byte("hospital.exomple"), 1),
		"no JSON":          archive(t, "x"),
		"unknown member":   archive(t, map[string]any{"format": 1, "surprise": 1}),
		"a link":           archive(t, one, tar.Header{Name: DatabaseName, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"a folder":         archive(t, one, tar.Header{Name: DatabaseName, Typeflag: tar.TypeDir}),
		"a device":         archive(t, one, tar.Header{Name: DatabaseName, Typeflag: tar.TypeBlock}),
		"another name":     archive(t, one, tar.Header{Name: "../x", Size: one.Parts[0].Size}),
		"other records":    archive(t, one, tar.Header{Name: DatabaseName, Size: one.Parts[0].Size, PAXRecords: map[string]string{"A.b": "c"}}),
		"larger":           archive(t, one, tar.Header{Name: DatabaseName, Size: one.Parts[0].Size + 1}),
		"other bytes":      archive(t, one, tar.Header{Name: DatabaseName, Size: one.Parts[0].Size}),
		"more parts":       append(written(t)[:len(written(t))-1024], archive(t, one)...),
		"much behind it":   append(written(t), make([]byte, 1<<20)...),
		"nothing":          nil,
		"something random": bytes.Repeat([]byte("age-encryption.org/v1\n"), 100),
	} {
		_, _, err := read(bytes.NewReader(text))
		var damage *DamagedError
		require.ErrorAs(t, err, &damage, name)
	}
}

// FuzzRead: whatever the bytes are, what is handed out has a name that stays in the
// folder, and no more bytes than there are; and a nil error means that every part was
// what the manifest says.
func FuzzRead(f *testing.F) {
	f.Add(written(f))
	f.Add(archive(f, Manifest{Format: 1, Engine: "sqlite", Parts: []Part{{Name: DatabaseName, Size: 1, SHA256: strings.Repeat("0", 64)}}}, tar.Header{Name: DatabaseName, Size: 1}))
	f.Fuzz(func(t *testing.T, text []byte) {
		var parts []Part
		err := Read(bytes.NewReader(text), func(m Manifest) error { return nil }, func(p Part, r io.Reader) error {
			path, isFile := strings.CutPrefix(p.Name, FilePrefix)
			require.True(t, p.Name == DatabaseName || isFile && FileName(path))
			got, err := Sum(p.Name, r)
			require.LessOrEqual(t, got.Size, int64(len(text)))
			parts = append(parts, got)
			return err
		})
		if err != nil {
			return
		}
		require.NoError(t, Read(bytes.NewReader(text), func(m Manifest) error {
			require.Equal(t, len(m.Parts), len(parts))
			for i, p := range m.Parts {
				require.Equal(t, p.Size, parts[i].Size)
				require.Equal(t, strings.ToLower(p.SHA256), parts[i].SHA256)
			}
			return nil
		}, func(Part, io.Reader) error { return nil }))
	})
}
