package sha1name_test

import (
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/sha1name"
)

// A name is the SHA-1 of what it is made of (FIPS 180-4's first example), also where
// FIPS 140-3 is enforced.
func TestOf(t *testing.T) {
	name := sha1name.Of([]byte("abc"))
	require.Equal(t, "a9993e364706816aba3e25717850c26c9cd0d89d", hex.EncodeToString(name[:]))
}

// kept are what nobody may rest anything on any more, and what lifts the mode, with the
// files that may say it. A codec has to know what SHA-1 is called.
var kept = map[*regexp.Regexp][]string{
	regexp.MustCompile(`"crypto/sha1"`):                                            {"ca/sha1name/sha1name.go"},
	regexp.MustCompile(`\bfips140\.WithoutEnforcement\b`):                          {"ca/sha1name/sha1name.go", "store/audit/readerkey.go"},
	regexp.MustCompile(`\bcrypto\.SHA1\b`):                                         {"revoke/ocsp/hash.go"},
	regexp.MustCompile(`"crypto/(des|dsa|md5|rc4)"`):                               nil,
	regexp.MustCompile(`"golang.org/x/crypto/(blowfish|cast5|md4|ripemd160|tea)"`): nil,
	regexp.MustCompile(`\b(crypto\.(MD5|MD4|RIPEMD160)|x509\.\w*(SHA1|MD5)\w*)\b`): nil,
}

// SHA-1 has one home in all that is built here, FIPS 140-3 is lifted in two places, and of
// other broken algorithms there is none.
func TestHome(t *testing.T) {
	root := os.DirFS("../..")
	files := 0
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		files++
		text, err := fs.ReadFile(root, name)
		require.NoError(t, err)
		for said, home := range kept {
			if at := said.Find(text); at != nil && !slices.Contains(home, name) {
				t.Errorf("%s says %s", name, at)
			}
		}
		return nil
	}))
	require.Greater(t, files, 500, "the module is somewhere else")
}
