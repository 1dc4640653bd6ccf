package cms_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/cms"
)

// Parameters of OAEP: pieces of them in DER, which begin with what RFC 3560, Section 5
// lists for SHA-256.
const (
	sha256Null  = "300d06096086480165030402010500"
	sha256Plain = "300b0609608648016503040201"
	sha1Null    = "300906052b0e03021a0500"
	mgf1        = "06092a864886f70d010108"
	noLabel     = "300d06092a864886f70d0101090400"
	label       = "300e06092a864886f70d010109040161"
)

// tlv puts a tag and a length of one byte before DER in hex.
func tlv(tag string, content ...string) string {
	all := ""
	for _, c := range content {
		all += c
	}
	return tag + hex.EncodeToString([]byte{byte(len(all) / 2)}) + all
}

// What means SHA-256 for both hashes and no label is taken in each spelling that clients
// have, and nothing else: least of all SHA-1, which stands for whatever is left out.
func TestOAEPWithSHA256(t *testing.T) {
	hash := tlv("a0", sha256Null)
	mask := tlv("a1", tlv("30", mgf1, sha256Null))
	for name, tt := range map[string]struct {
		parameters string
		want       bool
	}{
		"RFC 3560":       {"302b300d06096086480165030402010500301a06092a864886f70d010108300d06096086480165030402010500", false}, // without the tags of RFC 4055
		"RFC 4055":       {tlv("30", hash, mask), true},
		"no NULL":        {tlv("30", tlv("a0", sha256Plain), tlv("a1", tlv("30", mgf1, sha256Plain))), true},
		"MGF1 left out":  {tlv("30", hash), true},
		"no label":       {tlv("30", hash, mask, tlv("a2", noLabel)), true},
		"a label":        {tlv("30", hash, mask, tlv("a2", label)), false},
		"all left out":   {"3000", false},
		"nothing":        {"", false},
		"NULL":           {"0500", false},
		"SHA-1":          {tlv("30", tlv("a0", sha1Null), mask), false},
		"MGF1 by SHA-1":  {tlv("30", hash, tlv("a1", tlv("30", mgf1, sha1Null))), false},
		"another mask":   {tlv("30", hash, tlv("a1", tlv("30", "06092a864886f70d010109", sha256Null))), false},
		"hash left out":  {tlv("30", mask), false},
		"more behind":    {tlv("30", hash, mask) + "00", false},
		"more within":    {tlv("30", hash, mask, "0500"), false},
		"in wrong order": {tlv("30", mask, hash), false},
		"two hashes":     {tlv("30", tlv("a0", sha256Null, sha256Null), mask), false},
		"NULL with more": {tlv("30", tlv("a0", tlv("30", "0609608648016503040201", "050100")), mask), false},
	} {
		der, err := hex.DecodeString(tt.parameters)
		require.NoError(t, err, name)
		require.Equal(t, tt.want, cms.OAEPWithSHA256(der), name)
	}
}

// Whatever a stranger says of OAEP does not panic; and what is taken has a hash.
func FuzzOAEPWithSHA256(f *testing.F) {
	for _, seed := range []string{tlv("30", tlv("a0", sha256Null), tlv("a1", tlv("30", mgf1, sha256Null)), tlv("a2", noLabel)), "3000"} {
		der, err := hex.DecodeString(seed)
		require.NoError(f, err)
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if cms.OAEPWithSHA256(der) {
			require.Contains(t, hex.EncodeToString(der), sha256Plain[4:])
		}
	})
}
