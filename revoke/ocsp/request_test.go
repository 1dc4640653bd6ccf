package ocsp_test

import (
	"crypto"
	_ "crypto/md5"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

const most = 64

type requestCase struct {
	name  string
	der   []byte
	ids   int // 0: malformed
	nonce int
}

func requestCases() []requestCase {
	sha1 := certID(crypto.SHA1, 0x2a)
	one := seq(sha1)
	list := seq(one)
	exts := func(e ...[]byte) []byte { return explicit(2, seq(e...)) }
	twice := func(n int, b []byte) []byte { return slices.Repeat(b, n) }
	plain := request(list)
	return []requestCase{
		{"one, SHA-1", plain, 1, 0},
		{"one, SHA-256", request(seq(seq(certID(crypto.SHA256, 1)))), 1, 0},
		{"one, SHA-384", request(seq(seq(certID(crypto.SHA384, 1)))), 1, 0},
		{"one, SHA-512", request(seq(seq(certID(crypto.SHA512, 1)))), 1, 0},
		{"hash of a kind we do not have", request(seq(seq(certID(crypto.MD5, 1)))), 1, 0},
		{"hash without parameters", request(seq(seq(seq(seq(hashOIDs[crypto.SHA1]), octets(make([]byte, 20)), octets(make([]byte, 20)), tlv(2, []byte{1}))))), 1, 0},
		{"as many as allowed", request(seq(twice(most, one))), most, 0},
		{"nonce of 1 octet", request(list, exts(nonceExtension(1))), 1, 1},
		{"nonce of 128 octets", request(list, exts(nonceExtension(128))), 1, 128},
		{"critical nonce", request(list, exts(extension(nonceOID, isTrue, octets(octets([]byte{1}))))), 1, 1},
		{"critical acceptable responses", request(list, exts(extension(acceptID, isTrue, octets(seq(basicOID))))), 1, 0},
		{"acceptable responses and nonce", request(list, exts(extension(acceptID, octets(seq(basicOID))), nonceExtension(16))), 1, 16},
		{"unknown extension", request(list, exts(extension(otherOID, octets(null)))), 1, 0},
		{"unknown single extension", request(seq(seq(sha1, explicit(0, seq(extension(otherOID, octets(null))))))), 1, 0},
		{"requestorName", seq(seq(explicit(1, tlv(0x82, []byte("a.example"))), list)), 1, 0},
		{"signature", seq(seq(list), explicit(0, seq(seq(otherOID), tlv(3, []byte{0, 1})))), 1, 0},
		{"serial zero", request(seq(seq(certID(crypto.SHA1, 0)))), 1, 0},
		{"serial of 20 octets and a sign", request(seq(seq(certID(crypto.SHA1, append([]byte{0, 0x80}, make([]byte, 19)...)...)))), 1, 0},

		{"nothing", nil, 0, 0},
		{"one octet", []byte{0x30}, 0, 0},
		{"empty", seq(), 0, 0},
		{"garbage", []byte("GET / HTTP/1.1\r\n\r\n"), 0, 0},
		{"truncated", plain[:len(plain)-1], 0, 0},
		{"trailing octet", append(slices.Clone(plain), 0), 0, 0},
		{"trailing element in OCSPRequest", seq(seq(list), null), 0, 0},
		{"trailing element in tbsRequest", request(list, null), 0, 0},
		{"trailing element in Request", request(seq(seq(sha1, null))), 0, 0},
		{"trailing element in CertID", request(seq(seq(seq(seq(hashOIDs[crypto.SHA1], null), octets(make([]byte, 20)), octets(make([]byte, 20)), tlv(2, []byte{1}), null)))), 0, 0},
		{"requestList absent", seq(seq()), 0, 0},
		{"requestList empty", request(seq()), 0, 0},
		{"one more than allowed", request(seq(twice(most+1, one))), 0, 0},
		{"longer than 10 KiB", request(list, exts(extension(otherOID, octets(make([]byte, ocsp.MaxRequest))))), 0, 0},
		{"version v1, which is the default", seq(seq(explicit(0, tlv(2, []byte{0})), list)), 0, 0},
		{"version v2", seq(seq(explicit(0, tlv(2, []byte{1})), list)), 0, 0},
		{"nonce of 0 octets", request(list, exts(nonceExtension(0))), 0, 0},
		{"nonce of 129 octets", request(list, exts(nonceExtension(129))), 0, 0},
		{"nonce without OCTET STRING", request(list, exts(extension(nonceOID, octets([]byte("12345678"))))), 0, 0},
		{"nonce and more", request(list, exts(extension(nonceOID, octets(octets([]byte{1}), null)))), 0, 0},
		{"nonce twice", request(list, exts(nonceExtension(16), nonceExtension(16))), 0, 0},
		{"unknown extension twice", request(list, exts(extension(otherOID, octets(null)), extension(otherOID, octets(null)))), 0, 0},
		{"unknown critical extension", request(list, exts(extension(otherOID, isTrue, octets(null)))), 0, 0},
		{"unknown critical single extension", request(seq(seq(sha1, explicit(0, seq(extension(otherOID, isTrue, octets(null))))))), 0, 0},
		{"critical nonce on one certificate", request(seq(seq(sha1, explicit(0, seq(extension(nonceOID, isTrue, octets(octets([]byte{1})))))))), 0, 0},
		{"critical is FALSE, which is the default", request(list, exts(extension(nonceOID, isFalse, octets(octets([]byte{1}))))), 0, 0},
		{"critical is 1", request(list, exts(extension(nonceOID, []byte{1, 1, 1}, octets(octets([]byte{1}))))), 0, 0},
		{"extension with more", request(list, exts(extension(otherOID, octets(null), null))), 0, 0},
		{"extensions empty", request(list, exts()), 0, 0},
		{"17 extensions", request(list, exts(extensions(17))), 0, 0},
		{"two lists of extensions", request(list, exts(nonceExtension(16)), exts(nonceExtension(16))), 0, 0},
		{"serial negative", request(seq(seq(certID(crypto.SHA1, 0xff)))), 0, 0},
		{"serial empty", request(seq(seq(certID(crypto.SHA1)))), 0, 0},
		{"serial with a needless zero", request(seq(seq(certID(crypto.SHA1, 0, 1)))), 0, 0},
		{"serial of 21 octets", request(seq(seq(certID(crypto.SHA1, append([]byte{1}, make([]byte, 20)...)...)))), 0, 0},
		{"hash too short", request(seq(seq(seq(seq(hashOIDs[crypto.SHA1], null), octets(make([]byte, 19)), octets(make([]byte, 20)), tlv(2, []byte{1}))))), 0, 0},
		{"hash too long", request(seq(seq(seq(seq(hashOIDs[crypto.SHA1], null), octets(make([]byte, 20)), octets(make([]byte, 32)), tlv(2, []byte{1}))))), 0, 0},
		{"parameters of SHA-1 not NULL", request(seq(seq(seq(seq(hashOIDs[crypto.SHA1], otherOID), octets(make([]byte, 20)), octets(make([]byte, 20)), tlv(2, []byte{1}))))), 0, 0},
		{"NULL with contents", request(seq(seq(seq(seq(hashOIDs[crypto.SHA1], []byte{5, 1, 0}), octets(make([]byte, 20)), octets(make([]byte, 20)), tlv(2, []byte{1}))))), 0, 0},
		{"BER: length in more octets than it needs", append([]byte{0x30, 0x81, byte(len(plain) - 2)}, plain[2:]...), 0, 0},
		{"BER: indefinite length", append(append([]byte{0x30, 0x80}, plain[2:]...), 0, 0), 0, 0},
		{"BER: constructed OCTET STRING", request(list, exts(extension(nonceOID, tlv(0x24, octets(octets([]byte{1})))))), 0, 0},
		{"length of 4 GiB", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30}, 0, 0},
		{"length of length beyond the end", []byte{0x30, 0x83}, 0, 0},
		{"a thousand sequences deep", deep(1000), 0, 0},
		{"an inner length past its outer one", []byte{0x30, 0x04, 0x30, 0x04, 0x30, 0x00, 0x30, 0x00}, 0, 0},
	}
}

// extensions returns n unknown ones, no two alike.
func extensions(n int) (all []byte) {
	for i := range n {
		all = append(all, extension(oid(string([]byte{0x2a, byte(i)})), octets(null))...)
	}
	return all
}

func deep(n int) []byte {
	b := seq()
	for range n {
		b = seq(b)
	}
	return b
}

// A request is read as it was meant or is malformed: nothing in between.
func TestParseRequest(t *testing.T) {
	for _, tt := range requestCases() {
		t.Run(tt.name, func(t *testing.T) {
			q, err := ocsp.ParseRequest(tt.der, most)
			if tt.ids == 0 {
				var malformed *ocsp.MalformedError
				require.ErrorAs(t, err, &malformed)
				require.Nil(t, q)
				return
			}
			require.NoError(t, err)
			require.Len(t, q.IDs, tt.ids)
			require.Len(t, q.Nonce, tt.nonce)
		})
	}
}

// 16 extensions pass: the bound is not lower than it says.
func TestParseRequestExtensions(t *testing.T) {
	_, err := ocsp.ParseRequest(request(seq(seq(certID(crypto.SHA1, 1))), explicit(2, seq(extensions(16)))), most)
	require.NoError(t, err)
}

// 64 CertIDs with SHA-384, as long as a CertID can be, and the longest nonce fit into
// the bytes that a responder reads.
func TestMaxRequest(t *testing.T) {
	one := seq(certID(crypto.SHA384, append([]byte{0x7f}, make([]byte, 19)...)...))
	der := request(seq(slices.Repeat(one, 64)), explicit(2, seq(nonceExtension(128))))
	t.Logf("%d bytes", len(der))
	q, err := ocsp.ParseRequest(der, most)
	require.NoError(t, err)
	require.Len(t, q.IDs, 64)
}

// Serial numbers come out as big.Int.Bytes has them: without sign and leading zeros.
func TestCertIDSerial(t *testing.T) {
	for _, tt := range []struct{ der, want []byte }{
		{[]byte{0}, []byte{}},
		{[]byte{0x7f}, []byte{0x7f}},
		{[]byte{0, 0x80}, []byte{0x80}},
		{[]byte{1, 0}, []byte{1, 0}},
	} {
		q, err := ocsp.ParseRequest(request(seq(seq(certID(crypto.SHA256, tt.der...)))), most)
		require.NoError(t, err)
		require.Equal(t, string(tt.want), string(q.IDs[0].Serial()))
	}
}

// What we ask is read back the same, for every hash; and CertIDs keep their bytes.
func TestRequestRoundTrip(t *testing.T) {
	p := newPKI(t)
	serial := []byte{0x01, 0x9a, 0xbc, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	q := &ocsp.Request{Nonce: slices.Repeat([]byte{9}, 32)}
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		id, err := p.names.CertID(hash, serial)
		require.NoError(t, err)
		q.IDs = append(q.IDs, id)
	}
	got, err := ocsp.ParseRequest(q.Marshal(), most)
	require.NoError(t, err)
	require.Equal(t, q, got)
	for _, id := range got.IDs {
		require.True(t, p.names.Issued(id))
		require.Equal(t, serial, id.Serial())
	}
}

// A CertID of another issuer is not ours: with its name or its key alone ours, or
// with a hash that we do not have.
func TestIssued(t *testing.T) {
	p := newPKI(t)
	sameKey := issue(t, nil, key(t, 1), 9, aCA)
	sameName := issue(t, nil, key(t, 9), 1, aCA)
	for _, other := range []party{sameKey, sameName} {
		names, err := ocsp.NewIssuer(other.Certificate)
		require.NoError(t, err)
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			id, err := names.CertID(hash, []byte{1})
			require.NoError(t, err)
			require.True(t, names.Issued(id))
			require.False(t, p.names.Issued(id))
		}
	}
	q, err := ocsp.ParseRequest(request(seq(seq(certID(crypto.MD5, 1)))), most)
	require.NoError(t, err)
	require.Zero(t, q.IDs[0].Hash())
	require.False(t, p.names.Issued(q.IDs[0]))
}

// What cannot be asked is refused before it is sent.
func TestNewRequestRefuses(t *testing.T) {
	p := newPKI(t)
	for _, tt := range []struct {
		name          string
		serial, nonce []byte
	}{
		{"no serial", nil, nil},
		{"serial too long", make([]byte, 21), nil},
		{"empty nonce", []byte{1}, []byte{}},
		{"nonce too long", []byte{1}, make([]byte, 129)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.names.NewRequest(tt.serial, tt.nonce)
			require.Error(t, err)
		})
	}
	_, err := p.names.CertID(crypto.MD5, []byte{1})
	require.Error(t, err)
}

// vectors returns the requests under testdata, which other programs made; each file
// says how many certificates and octets of nonce are in it.
func vectors(t testing.TB) (all []requestCase) {
	files, err := filepath.Glob("testdata/request/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		v := requestCase{name: filepath.Base(file)}
		for line := range strings.Lines(string(text)) {
			if want := regexp.MustCompile(`^# want: (\d+) ids, nonce of (\d+)`).FindStringSubmatch(line); want != nil {
				v.ids, v.nonce = atoi(want[1]), atoi(want[2])
			} else if !strings.HasPrefix(line, "#") {
				part, err := hex.DecodeString(strings.TrimSpace(line))
				require.NoError(t, err)
				v.der = append(v.der, part...)
			}
		}
		all = append(all, v)
	}
	return all
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// What openssl, GnuTLS and others send is understood, on a machine without them too.
func TestForeignRequests(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			q, err := ocsp.ParseRequest(v.der, most)
			require.NoError(t, err)
			require.Len(t, q.IDs, v.ids)
			require.Len(t, q.Nonce, v.nonce)
		})
	}
}
