package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/server"
)

// What to do about a damaged database is said in commands that can be run as they stand,
// with the lists from where they are, into a place that is free; and once.
func TestWhenDamaged(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ca/betonica.toml": "", "ca/evidence.log": "", "ca/backups.json": `{"file": "/mnt/b.age", "recipients": ["age1xyz"]}`, "ca.damaged/x": "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	ca := filepath.Join(dir, "ca")
	says := func(toml string) (do string, again string) {
		require.NoError(t, os.WriteFile(filepath.Join(ca, "betonica.toml"), []byte(toml), 0o600))
		config, err := server.ReadConfig(ca)
		require.NoError(t, err)
		c := &Case{Dir: ca, Config: config}
		return c.whenDamaged(), c.whenDamaged()
	}
	do, again := says("")
	require.Equal(t, "stop the daemon, and then run mv "+ca+" "+ca+".damaged-2"+
		" && betonicad restore --dir "+ca+" /mnt/b.age --identity FILE"+
		" && cp -a "+ca+".damaged-2/evidence.log "+ca+"/evidence.log"+
		" && betonicad recover --dir "+ca+" --from-crl "+ca+".damaged-2/betonica.db"+
		"; where no list can be read there, recover takes --from-peers", do)
	require.Equal(t, "as above", again)
	do, _ = says("[crl]\npublish_dir = \"" + dir + "/www\"\n[audit]\nevidence = \"/mnt/evidence.log\"\n")
	require.Contains(t, do, " --from-crl "+dir+"/www/chain.crl.pem;")
	require.NotContains(t, do, "evidence.log")
	do, _ = says("[store]\ndsn = \"postgres://ca@db/ca\"\n")
	require.NotContains(t, do, "mv ")
	require.Contains(t, do, "betonicad restore")
}
