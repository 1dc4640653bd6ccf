package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// What the README tells a newcomer to type works as it stands there: the quick
// start, and after it a machine that has curl and openssl only. What differs is
// the port, which is free here, and that the programs are built already.
func TestReadme(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sh", "openssl", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			storetest.LeaveOut(t, program+" is not installed")
		}
	}
	bin, err := binaries()
	require.NoError(t, err)
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, quick, found := strings.Cut(string(text), "## Quick start\n")
	require.True(t, found)
	quick, _, _ = strings.Cut(quick, "\n## ")
	blocks := codeBlocks(quick)
	require.GreaterOrEqual(t, len(blocks), 2)
	build, start, found := strings.Cut(blocks[0], "\n")
	require.True(t, found)
	require.Equal(t, `make build && export PATH="$PWD/bin:$PATH"`, build)
	require.Contains(t, blocks[1], "curl")

	script := strings.NewReplacer("@start@", start, "@curl@", blocks[1]).Replace(`
@start@
cd ..
betonica token create --socket ca/admin.sock --role device --name pump-8 > pump-8.token
cp ca/pump-7/current/roots.pem root.pem
for name in csr next.csr; do
	openssl ecparam -name prime256v1 -genkey -noout -out $name.key
	openssl req -new -key $name.key -subj /CN=pump-8 -out $name.pem
done
cp csr.key key.pem
@curl@
openssl verify -CAfile root.pem -untrusted next.pem next.pem
`)
	script = strings.NewReplacer(
		"--https 127.0.0.1:8443 &", `--https 127.0.0.1:0 --http 127.0.0.1:0 --ops 127.0.0.1:0 --ready ready.json 2>serve.log &
n=0; until [ -f ready.json ]; do n=$((n + 1)); [ $n -lt 600 ]; sleep 0.1; done
HTTPS=$(sed 's/.*"https":"\([^"]*\)".*/\1/' ready.json)`,
		"https://127.0.0.1:8443", "https://$HTTPS",
	).Replace(script)
	dir := t.TempDir()
	file := filepath.Join(dir, "readme.sh")
	require.NoError(t, os.WriteFile(file, []byte("set -e\n"+script), 0o600))
	said, err := os.Create(filepath.Join(dir, "said")) // a file: what runs on would hold a pipe open
	require.NoError(t, err)
	defer said.Close()
	cmd := exec.CommandContext(t.Context(), "sh", "-x", file)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environment(bin), said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	err = cmd.Wait()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the daemon and the agent
	out, readErr := os.ReadFile(said.Name())
	require.NoError(t, readErr)
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "cert.pem: OK")
	require.Contains(t, string(out), "next.pem: OK")
	require.Contains(t, string(out), "identity.revoke")
	require.Contains(t, string(out), "verified ")
}

// codeBlocks returns the indented blocks of Markdown, without their indentation.
// A blank line between two indented ones belongs to the block.
func codeBlocks(text string) []string {
	var blocks []string
	var block []string
	for line := range strings.Lines(text + "end\n") {
		line = strings.TrimSuffix(line, "\n")
		if code, ok := strings.CutPrefix(line, "    "); ok {
			block = append(block, code)
		} else if line == "" && block != nil {
			block = append(block, "")
		} else if block != nil {
			blocks = append(blocks, strings.TrimRight(strings.Join(block, "\n"), "\n"))
			block = nil
		}
	}
	return blocks
}
