package pack_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/betonica/betonica/store/compliance/pack"
)

// sealed returns a pack of a small log, and the log's key.
func sealed(t *testing.T) (fstest.MapFS, string) {
	dir, key, _ := sealedBy(t)
	return dir, key
}

// sealedBy also returns how the log's key signs another manifest: as a note, and raw.
func sealedBy(t *testing.T) (fstest.MapFS, string, func(text string) (signed, raw []byte)) {
	var seed [32]byte
	rand.Read(seed[:])
	signer, err := checkpoint.NewSigner("hospital.example/log", seed[:])
	require.NoError(t, err)
	keys := audit.NewKeys(audit.NewMaster())
	sealer := audit.NewSealer(keys, audit.NewDataKey())
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) (all []tlog.Hash, err error) {
		for _, i := range at {
			all = append(all, hashes[i])
		}
		return all, nil
	})
	var leaves [][]byte
	for seq := int64(1); seq <= 9; seq++ {
		r, err := sealer.Seal(seq, time.Now(), audit.Event{Action: "token.create", Actor: "uid:0"})
		require.NoError(t, err)
		more, err := tlog.StoredHashes(seq-1, r.Leaf, reader)
		require.NoError(t, err)
		hashes, leaves = append(hashes, more...), append(leaves, r.Leaf)
	}
	root, err := tlog.TreeHash(9, reader)
	require.NoError(t, err)
	head, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: signer.Name(), Size: 9, Hash: root}, signer)
	require.NoError(t, err)
	public, key := publicOf(t, seed[:])
	f := pack.ProofFile{Key: key, Checkpoint: head}
	for _, seq := range []int64{2, 9} {
		proof, err := tlog.ProveRecord(9, seq-1, reader)
		require.NoError(t, err)
		p := pack.Proof{Entry: seq, Action: "token.create", Leaf: leaves[seq-1]}
		for _, h := range proof {
			p.Path = append(p.Path, h.String())
		}
		f.Entries = append(f.Entries, p)
	}
	proofs, err := json.Marshal(f)
	require.NoError(t, err)
	files, err := pack.Seal([]pack.File{{Name: "report.html", Text: []byte("<p>a</p>")}, {Name: pack.Proofs, Text: proofs}}, key, public, func(text string) (string, error) {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		return string(signed), err
	})
	require.NoError(t, err)
	dir := fstest.MapFS{}
	for _, f := range files {
		dir[f.Name] = &fstest.MapFile{Data: f.Text}
	}
	return dir, key, func(text string) ([]byte, []byte) {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		require.NoError(t, err)
		return signed, ed25519.Sign(ed25519.NewKeyFromSeed(seed[:]), []byte(text))
	}
}

func publicOf(t *testing.T, seed []byte) (public []byte, key string) {
	key, err := checkpoint.VerifierKey("hospital.example/log", ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	require.NoError(t, err)
	k, err := checkpoint.PublicKey(key)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(k)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), key
}

// A pack is whole, or says what is wrong: any file changed, missing, or signed by somebody
// else.
func TestVerify(t *testing.T) {
	dir, key := sealed(t)
	c, err := pack.Verify(dir, key)
	require.NoError(t, err)
	require.Equal(t, pack.Check{Log: "hospital.example/log", Key: key, Trusted: true, Files: 4, Entries: 2}, c)
	c, err = pack.Verify(dir, "")
	require.NoError(t, err)
	require.False(t, c.Trusted)

	for name := range dir {
		t.Run(name, func(t *testing.T) {
			kept := dir[name]
			dir[name] = &fstest.MapFile{Data: append([]byte("x"), kept.Data...)}
			_, err := pack.Verify(dir, key)
			require.Error(t, err)
			delete(dir, name)
			_, err = pack.Verify(dir, key)
			require.Error(t, err)
			dir[name] = kept
		})
	}
	_, other := sealed(t)
	_, err = pack.Verify(dir, other)
	require.Error(t, err, "another log's key")
}

// What somebody put beside the files is no part of the pack, whatever it is; and a link
// is no file, even if what it leads to is the one that was signed.
func TestAdded(t *testing.T) {
	for name, file := range map[string]*fstest.MapFile{
		"results.html": {Data: []byte("all is well")},
		".hidden":      {Data: []byte("x")},
		"more/x":       {Data: []byte("x")},
		"dev":          {Mode: fs.ModeNamedPipe},
	} {
		dir, key := sealed(t)
		dir[name] = file
		_, err := pack.Verify(dir, key)
		require.Error(t, err, name)
		delete(dir, name)
		_, err = pack.Verify(dir, key)
		require.NoError(t, err)
	}
	dir, key := sealed(t)
	dir["elsewhere"] = dir["report.html"]
	delete(dir, "report.html")
	_, err := pack.Verify(dir, key)
	require.Error(t, err, "moved")

	at := t.TempDir()
	dir, key = sealed(t)
	for name, f := range dir {
		require.NoError(t, os.WriteFile(filepath.Join(at, name), f.Data, 0o600))
	}
	_, err = pack.Verify(os.DirFS(at), key)
	require.NoError(t, err)
	require.NoError(t, os.Rename(filepath.Join(at, "report.html"), filepath.Join(t.TempDir(), "report.html")))
	elsewhere := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(elsewhere, dir["report.html"].Data, 0o600))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(at, "report.html")))
	_, err = pack.Verify(os.DirFS(at), key)
	require.ErrorContains(t, err, "something else")
}

// A manifest that the key did sign is one of a pack only if it names what every pack has,
// each once, and no place beyond the folder.
func TestManifest(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(sums string) string
		want   string
	}{
		"as it is":      {func(s string) string { return s }, ""},
		"one removed":   {func(s string) string { return without(s, "report.html") }, "was not signed"},
		"proofs":        {func(s string) string { return without(s, pack.Proofs) }, "does not name"},
		"key":           {func(s string) string { return without(s, pack.KeyFile) }, "does not name"},
		"twice":         {func(s string) string { return s + s }, "none of a file"},
		"beyond":        {func(s string) string { return s + strings.Repeat("0", 64) + "  ../passwd\n" }, "none of a file"},
		"absolute":      {func(s string) string { return s + strings.Repeat("0", 64) + "  /etc/passwd\n" }, "none of a file"},
		"no sum":        {func(s string) string { return s + "x\n" }, "none of a file"},
		"one not there": {func(s string) string { return s + strings.Repeat("0", 64) + "  more.html\n" }, "not exist"},
		"another entry": {func(s string) string { return s }, "entry 2"},
		"nothing":       {func(string) string { return "\n" }, "none of a file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, key, sign := sealedBy(t)
			text := tt.change(string(dir[pack.Sums].Data))
			if name == "another entry" {
				text = otherEntry(t, dir, text)
			}
			signed, raw := sign(text)
			dir[pack.Sums], dir[pack.Note], dir[pack.Signature] = &fstest.MapFile{Data: []byte(text)}, &fstest.MapFile{Data: signed}, &fstest.MapFile{Data: raw}
			_, err := pack.Verify(dir, key)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// otherEntry puts the leaf of an entry in the place of another's, in proofs that are as they
// were signed.
func otherEntry(t *testing.T, dir fstest.MapFS, sums string) string {
	var proofs pack.ProofFile
	require.NoError(t, json.Unmarshal(dir[pack.Proofs].Data, &proofs))
	proofs.Entries[0].Path = proofs.Entries[1].Path
	text, err := json.Marshal(proofs)
	require.NoError(t, err)
	dir[pack.Proofs] = &fstest.MapFile{Data: text}
	return without(sums, pack.Proofs) + fmt.Sprintf("%x  %s\n", sha256.Sum256(text), pack.Proofs)
}

// without takes the line of a file out of a manifest.
func without(sums, name string) (rest string) {
	for line := range strings.Lines(sums) {
		if !strings.HasSuffix(line, "  "+name+"\n") {
			rest += line
		}
	}
	return rest
}

// A manifest leads nowhere but to files beside it.
func TestNames(t *testing.T) {
	for _, name := range []string{"", "../x", "a/b", "a b", "a\nb", ".ssh"} {
		_, err := pack.Seal([]pack.File{{Name: name}}, "k", nil, func(string) (string, error) { return "", nil })
		require.ErrorContains(t, err, "a file called", "%q", name)
	}
}

// Whoever has no program of ours checks the pack with those of the five lines that name
// openssl and sha256sum.
func TestForeign(t *testing.T) {
	for _, program := range []string{"openssl", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("left out: %v", err)
		}
	}
	dir, key := sealed(t)
	at := t.TempDir()
	for name, f := range dir {
		require.NoError(t, os.WriteFile(filepath.Join(at, name), f.Data, 0o600))
	}
	lines := strings.Split(strings.TrimSuffix(string(dir[pack.HowTo].Data), "\n"), "\n")
	require.Len(t, lines, 5)
	shell := func(line string) (string, error) {
		cmd := exec.CommandContext(context.Background(), "bash", "-o", "pipefail", "-c", line)
		cmd.Dir = at
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, line := range lines[:2] {
		out, err := shell(line)
		require.NoError(t, err, "%s: %s", line, out)
	}
	out, err := shell(lines[2])
	require.NoError(t, err, out)
	require.True(t, strings.HasSuffix(key, "+"+strings.TrimSpace(out)), "%s, and not at the end of %s", out, key)
	require.Contains(t, lines[3], key)

	require.NoError(t, os.WriteFile(filepath.Join(at, "report.html"), []byte("<p>b</p>"), 0o600))
	_, err = shell(lines[0])
	require.Error(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(at, pack.Sums), []byte("x\n"), 0o600))
	_, err = shell(lines[1])
	require.Error(t, err)
}

// Proofs from elsewhere are refused or prove something, and never panic.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"key":"k","checkpoint":"c","entries":[{"entry":1,"leaf":"AA==","path":["AA=="]}]}`), []byte("00  a\n"))
	f.Fuzz(func(t *testing.T, proofs, sums []byte) {
		dir := fstest.MapFS{pack.Proofs: {Data: proofs}, pack.Sums: {Data: sums}, pack.Note: {Data: sums}, pack.Signature: {Data: sums}, pack.KeyFile: {Data: sums}}
		_, err := pack.Verify(dir, "")
		require.Error(t, err)
	})
}
