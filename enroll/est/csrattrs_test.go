package est_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// tlv is an element in hex, by hand.
func tlv(tag string, parts ...string) string {
	value := strings.ReplaceAll(strings.Join(parts, ""), " ", "")
	length := fmt.Sprintf("%02x", len(value)/2)
	switch n := len(value) / 2; {
	case n > 0xff:
		length = fmt.Sprintf("82%04x", n)
	case n > 0x7f:
		length = fmt.Sprintf("81%02x", n)
	}
	return tag + length + value
}

// What requests are made of, in hex.
const (
	challengePassword = "0609 2a864886f70d010907"
	ecPublicKey       = "0607 2a8648ce3d0201"
	p256              = "0608 2a8648ce3d030107"
	p384              = "0605 2b81040022"
	rsaEncryption     = "0609 2a864886f70d010101"
	ed25519           = "0603 2b6570"
	clientAuth        = "0608 2b06010505070302"
	serverAuth        = "0608 2b06010505070301"
	subjectAltName    = "0603 551d11"
)

func usages(oids ...string) string { return tlv("30", "0603 551d25", tlv("04", tlv("30", oids...))) }

func extensionReq(extensions ...string) string {
	return tlv("30", "0609 2a864886f70d01090e", tlv("31", tlv("30", extensions...)))
}

func template(parts ...string) string {
	return tlv("30", "060b 2a864886f70d010910023d", tlv("31", tlv("30", append([]string{"020100"}, parts...)...)))
}

// csrAttrs is an answer in hex.
func csrAttrs(t *testing.T, got exchange) string {
	t.Helper()
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.Equal(t, "application/csrattrs", got.Header.Get("Content-Type"))
	der, err := base64.StdEncoding.DecodeString(string(got.body))
	require.NoError(t, err)
	return hex.EncodeToString(der)
}

// What a request should be like is the role's first kind of key and its usages, and
// challengePassword where it must be bound, in the words of RFC 7030, and once more as the
// template of RFC 9908, which cannot say challengePassword. A server says which names.
func TestAttributes(t *testing.T) {
	w := newWorld(t, `
[role.device]
keys = ["P-384", "RSA-2048"]
[role.old]
keys = ["RSA-3072"]
[role.ed]
keys = ["Ed25519"]
[role.plain]
channel_binding = "required"
[role.gateway]
usages = ["client", "server"]
dns = ["{name}.example"]
`)
	placeholder := tlv("03", "00", tlv("30", tlv("02", "0080", strings.Repeat("00", 3072/8-2), "01"), "0203010001"))
	client := extensionReq(usages(clientAuth))
	both := usages(clientAuth, serverAuth)
	for label, want := range map[string]string{
		"device/": tlv("30", tlv("30", ecPublicKey, tlv("31", p384)), "0608 2a8648ce3d040303", client,
			template(tlv("a0", tlv("30", ecPublicKey, p384)), tlv("a1", client))),
		"old/": tlv("30", tlv("30", rsaEncryption, tlv("31", "0202 0c00")), "0609 2a864886f70d01010b", client,
			template(tlv("a0", tlv("30", rsaEncryption, "0500"), placeholder), tlv("a1", client))),
		"ed/":    tlv("30", ed25519, client, template(tlv("a0", tlv("30", ed25519)), tlv("a1", client))),
		"plain/": tlv("30", challengePassword, tlv("30", ecPublicKey, tlv("31", p256)), "0608 2a8648ce3d040302", client),
		"gateway/": tlv("30", tlv("30", ecPublicKey, tlv("31", p256)), "0608 2a8648ce3d040302", extensionReq(both),
			template(tlv("a0", tlv("30", ecPublicKey, p256)),
				tlv("a1", tlv("30", "060b 2a864886f70d010910023e", tlv("31", tlv("30", both, tlv("30", subjectAltName))))))),
	} {
		require.Equal(t, strings.ReplaceAll(want, " ", ""), csrAttrs(t, w.get(label+"csrattrs")), label)
	}
	require.Equal(t, http.StatusNoContent, w.get("csrattrs").StatusCode)
	require.Equal(t, http.StatusNotFound, w.get("admin/csrattrs").StatusCode)
}

// Whoever shows a certificate need not name his role, and hears which names a request
// must have that follows on it: a request like that gets the next one. For another role
// he is anybody.
func TestAttributesOfHolder(t *testing.T) {
	w := newWorld(t, "[role.gateway]\nusages = ['server']\ndns = ['{name}.example']\n[role.device]\n")
	key := enrolltest.NewKey(t)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"gw-1.example"}}, key)
	require.NoError(t, err)
	cert := w.post(w.client(0), "simpleenroll", w.Token(enroll.TokenRequest{Role: "gateway", Name: "gw-1"}), csr).leaf(t)
	client := w.client(0, w.TLS(cert, key))
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "2.5.29.17" })
	names := extensionReq(usages(serverAuth), tlv("30", subjectAltName, tlv("04", hex.EncodeToString(cert.Extensions[i].Value))))
	want := tlv("30", tlv("30", ecPublicKey, tlv("31", p256)), "0608 2a8648ce3d040302", names,
		template(hex.EncodeToString(cert.RawSubject), tlv("a0", tlv("30", ecPublicKey, p256)), tlv("a1", names)))
	require.Contains(t, hex.EncodeToString(cert.Extensions[i].Value), hex.EncodeToString([]byte("gw-1.example")))
	for _, label := range []string{"", "gateway/"} {
		got := csrAttrs(t, w.do(client, w.request(http.MethodGet, label+"csrattrs", nil)))
		require.Equal(t, strings.ReplaceAll(want, " ", ""), got)
	}
	w.post(client, "simplereenroll", "", enrolltest.Again(t, cert, enrolltest.NewKey(t))).leaf(t)
	require.Equal(t, csrAttrs(t, w.get("device/csrattrs")), csrAttrs(t, w.do(client, w.request(http.MethodGet, "device/csrattrs", nil))))
}
