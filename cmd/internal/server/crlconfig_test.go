package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A value of [crl] that cannot be used stops the start, and says where it stands.
func TestParseCRLConfig(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"whole", "lifetime='1h'\nheartbeat='1s'\nmax_bytes=65536\nfreshest_in_certificates=true\npublish_dir='/srv/www'", ""},
		{"at the bounds", "lifetime='720h'\nheartbeat='100ms'\nmax_bytes=4096", ""},
		{"off", "max_bytes=0\npublish_dir=''", ""},
		{"lifetime too short", "\nlifetime='59s'", `f.toml:3:10: crl.lifetime is 59s; it must be from 1m0s to 720h0m0s`},
		{"lifetime too long", "lifetime='721h'", "f.toml:2:10: "},
		{"lifetime as a number", "heartbeat='1s'\nlifetime=24", `f.toml:3:1: "24" is not a time`},
		{"lifetime backward", "lifetime='-1h'", "f.toml:2:10: "},
		{"heartbeat too fast", "heartbeat='99ms'", "f.toml:2:11: "},
		{"heartbeat too slow", "heartbeat='61m'", "f.toml:2:11: "},
		{"bytes too few", "lifetime='1h'\nmax_bytes=4095", "f.toml:3:1: crl.max_bytes is 4095; it must be a size from 4096"},
		{"bytes below zero", "max_bytes=-1", "f.toml:2:1: crl.max_bytes is -1"},
		{"bytes too many", "max_bytes=1073741825", "f.toml:2:1: "},
		{"bytes with a unit", "max_bytes='64k'", "f.toml:2:11: crl.max_bytes is 64k"},
		{"directory as a list", "publish_dir=['/a']", "f.toml:2:13: "},
		{"switch as text", "freshest_in_certificates='yes'", "f.toml:2:26: "},
		{"unknown key", "maxbytes=1", `f.toml:2:1: unknown key "crl.maxbytes"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseConfig("f.toml", []byte("[crl]\n"+tt.text))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// What [crl] leaves out has the default that its comment states. A directory to publish
// in may lie anywhere but where it would publish the CA's own folder.
func TestReadCRLConfig(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.Mkdir(dir, 0o700))
	read := func(text string) (CRLConfig, error) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte("[crl]\n"+text), 0o600))
		c, err := ReadConfig(dir)
		if err != nil {
			return CRLConfig{}, err
		}
		return c.CRL, nil
	}
	c, err := read("")
	require.NoError(t, err)
	require.Equal(t, CRLConfig{Lifetime: ListLifetime{24 * time.Hour}, Heartbeat: ListHeartbeat{10 * time.Second}}, c)

	for given, want := range map[string]string{"/srv/www/": "/srv/www", "www": filepath.Join(dir, "www"), "../www": filepath.Join(filepath.Dir(dir), "www"), "../ca-www": dir + "-www"} {
		c, err := read("publish_dir = '" + given + "'")
		require.NoError(t, err)
		require.Equal(t, want, c.PublishDir)
	}
	for _, bad := range []string{".", "..", "/", dir, "www/.."} {
		_, err := read("lifetime = '1h'\n\n publish_dir = '" + bad + "'")
		require.ErrorIs(t, err, errPublishesCA, bad)
		require.ErrorContains(t, err, ConfigFile+":4:1: ")
	}
}
