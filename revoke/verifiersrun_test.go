package revoke_test

import (
	"os"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// judged returns what a verifier said: revoked or good if it says so in these words,
// and otherwise that it refuses.
func judged(out, saysRevoked, saysGood string) string {
	switch {
	case strings.Contains(out, saysRevoked):
		return revoked
	case strings.Contains(out, saysGood):
		return good
	}
	return refused
}

func opensslOCSP(f fixture, cert string) string {
	out, _ := run(f.t, "openssl", "ocsp", "-issuer", f.path("issuing.pem"), "-cert", cert, "-url", f.server.world.URL+"/ocsp",
		"-CAfile", f.path("root.pem"), "-verify_other", f.path("issuing.pem"))
	if !strings.Contains(out, "Response verify OK") || strings.Contains(out, "Status times invalid") {
		return refused
	}
	return judged(out, cert+": revoked", cert+": good")
}

func opensslCRL(f fixture, cert string) string {
	out, _ := run(f.t, "openssl", "verify", "-crl_check_all", "-CAfile", f.path("root.pem"), "-untrusted", f.path("issuing.pem"),
		"-CRLfile", f.path("lists.pem"), cert)
	return judged(out, "certificate revoked", cert+": OK")
}

func gnutlsOCSP(f fixture, cert string) string {
	out, _ := run(f.t, "ocsptool", "--ask="+f.server.world.URL+"/ocsp", "--load-issuer", f.path("issuing.pem"), "--load-cert", cert, "--load-trust", f.path("chain.pem"))
	if !strings.Contains(out, "Verifying OCSP Response: Success") {
		return refused
	}
	return judged(out, "Certificate Status: revoked", "Certificate Status: good")
}

func gnutlsCRL(f fixture, cert string) string {
	leaf, err := os.ReadFile(cert)
	require.NoError(f.t, err)
	issuing, err := os.ReadFile(f.path("issuing.pem"))
	require.NoError(f.t, err)
	require.NoError(f.t, os.WriteFile(f.path("path.pem"), append(leaf, issuing...), 0o600))
	out, _ := run(f.t, "certtool", "--verify", "--infile", f.path("path.pem"), "--load-ca-certificate", f.path("root.pem"), "--load-crl", f.path("lists.pem"))
	return judged(out, "certificate chain is revoked", "Chain verification output: Verified.")
}

func nssOCSP(f fixture, cert string) string { return nss(f, cert, "ocsp") }
func nssCRL(f fixture, cert string) string  { return nss(f, cert, "crl") }

// nss has NSS fetch what the certificate says is there.
func nss(f fixture, cert, method string) string {
	db := f.t.TempDir()
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-n", "root", "-t", "CT,,", "-a", "-i", f.path("root.pem")},
		{"-A", "-n", "issuing", "-t", ",,", "-a", "-i", f.path("issuing.pem")},
	} {
		out, ok := run(f.t, "certutil", append(args, "-d", "sql:"+db)...)
		require.True(f.t, ok, out)
	}
	out, _ := run(f.t, "vfychain", "-d", "sql:"+db, "-u", "0", "-pp", "-g", "leaf", "-h", "requireFreshInfo", "-m", method, "-s", "failIfNoInfo", "-a", cert)
	if strings.Contains(out, "Chain is good!") {
		return good
	}
	return refused
}

func java(f fixture, cert, method string) string {
	if _, err := os.Stat(f.path("Check.class")); err != nil { // once: it takes longer than all else
		require.NoError(f.t, os.WriteFile(f.path("Check.java"), []byte(checkJava), 0o600))
		out, ok := run(f.t, "javac", "-d", f.dir, f.path("Check.java"))
		require.True(f.t, ok, out)
	}
	out, _ := run(f.t, "java", "-XX:TieredStopAtLevel=1", "-cp", f.dir, "Check", method, f.path("root.pem"), f.path("issuing.pem"), cert, f.server.world.URL+"/ocsp", f.path("lists.pem"))
	return judged(out, "REVOKED", "VALID\n")
}

func javaOCSP(f fixture, cert string) string { return java(f, cert, "ocsp") }
func javaCRL(f fixture, cert string) string  { return java(f, cert, "crl") }

func pythonOCSP(f fixture, cert string) string { return python(f, cert, "ocsp") }
func pythonCRL(f fixture, cert string) string  { return python(f, cert, "crl") }

func python(f fixture, cert, method string) string {
	if out, ok := run(f.t, "/usr/bin/python3", "-c", "import cryptography"); !ok {
		storetest.LeaveOut(f.t, "python3-cryptography is not installed: "+out)
	}
	out, _ := run(f.t, "/usr/bin/python3", "-W", "ignore", "-c", checkPython, method, f.path("issuing.pem"), cert, f.server.world.URL+"/ocsp", f.path("lists.pem"))
	return judged(out, "revoked", "good")
}

// checkPython judges by the parts that python-cryptography has: it reads and verifies
// answers and lists, and leaves it to its user to ask for the rest.
const checkPython = `
import datetime, sys, urllib.request
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

method, issuer, cert, url, lists = sys.argv[1:]
issuer = x509.load_pem_x509_certificate(open(issuer, "rb").read())
cert = x509.load_pem_x509_certificate(open(cert, "rb").read())
now = datetime.datetime.utcnow()

def ask():
    request = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, hashes.SHA256()).build()
    post = urllib.request.Request(url, request.public_bytes(serialization.Encoding.DER), {"Content-Type": "application/ocsp-request"})
    answer = ocsp.load_der_ocsp_response(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(post).read())
    assert answer.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL, answer.response_status
    now = datetime.datetime.utcnow() # not before it was made
    signer = issuer
    for c in answer.certificates:
        issuer.public_key().verify(c.signature, c.tbs_certificate_bytes, ec.ECDSA(c.signature_hash_algorithm))
        usage = c.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert ExtendedKeyUsageOID.OCSP_SIGNING in usage and c.not_valid_before <= now <= c.not_valid_after
        signer = c
    signer.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm))
    assert answer.serial_number == cert.serial_number and answer.issuer_key_hash == request.issuer_key_hash
    assert answer.this_update <= now <= answer.next_update, answer.next_update
    return answer.certificate_status.name.lower()

def look():
    for text in open(lists, "rb").read().split(b"-----BEGIN X509 CRL-----")[1:]:
        crl = x509.load_pem_x509_crl(b"-----BEGIN X509 CRL-----" + text)
        if crl.issuer == cert.issuer and crl.is_signature_valid(issuer.public_key()):
            assert crl.last_update <= now <= crl.next_update, crl.next_update
            return "revoked" if crl.get_revoked_certificate_by_serial_number(cert.serial_number) else "good"
    raise Exception("no list")

try:
    print(ask() if method == "ocsp" else look())
except Exception as e:
    print("unreliable:", repr(e))
`
