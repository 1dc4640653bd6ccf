package revoke_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store/storetest"
)

// run runs a foreign program and returns what it printed, and whether it exited 0.
func run(t *testing.T, name string, args ...string) (string, bool) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		storetest.LeaveOut(t, name+" is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	t.Logf("%s %q: %v\n%s", name, args, err, out)
	return string(out), err == nil
}

// foreign is a world as strangers' programs see it, through files and URLs.
type foreign struct {
	*world
	root, issuing, good, revoked, chain string
}

func newForeign(t *testing.T) foreign {
	w := newWorld(t, enrolltest.New(t))
	good, _ := w.enrol("pump-1")
	gone, _ := w.enrol("pump-2")
	fell, err := w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return w.Publisher.Full().Number > fell.Number }, "a full list")
	return foreign{
		world: w,
		root:  w.write("root.pem", w.root), issuing: w.write("issuing.pem", w.issuing),
		good: w.write("good.pem", good), revoked: w.write("revoked.pem", gone),
		chain: w.write("chain.pem", w.issuing, w.root),
	}
}

// OpenSSL asks our responder about leaves and the intermediate, and checks the
// whole chain against our lists.
func TestOpenSSL(t *testing.T) {
	f := newForeign(t)
	for _, nonce := range []string{"-nonce", "-no_nonce"} {
		for _, tt := range []struct{ issuer, flag, what, says string }{
			{f.issuing, "-cert", f.good, f.good + ": good"},
			{f.issuing, "-cert", f.revoked, f.revoked + ": revoked"},
			{f.issuing, "-serial", "0x1234", "0x1234: revoked"}, // never issued
			{f.root, "-cert", f.issuing, f.issuing + ": good"},
		} {
			out, ok := run(t, "openssl", "ocsp", "-issuer", tt.issuer, tt.flag, tt.what, "-url", f.URL+"/ocsp", "-CAfile", f.root,
				"-verify_other", f.issuing, nonce)
			require.True(t, ok)
			require.Contains(t, out, "Response verify OK")
			require.Contains(t, out, tt.says)
		}
	}
	stranger := newWorld(t, enrolltest.New(t))
	out, _ := run(t, "openssl", "ocsp", "-issuer", stranger.write("issuing.pem", stranger.issuing), "-serial", "0x1234", "-url", f.URL+"/ocsp")
	require.Contains(t, out, "unauthorized")

	lists := filepath.Join(t.TempDir(), "chain.crl.pem")
	require.NoError(t, os.WriteFile(lists, f.get("/chain.crl.pem"), 0o600))
	_, ok := run(t, "openssl", "verify", "-crl_check_all", "-CAfile", f.root, "-untrusted", f.issuing, "-CRLfile", lists, f.good)
	require.True(t, ok)
	out, ok = run(t, "openssl", "verify", "-crl_check_all", "-CAfile", f.root, "-untrusted", f.issuing, "-CRLfile", lists, f.revoked)
	require.False(t, ok)
	require.Contains(t, out, "certificate revoked")
}

// GnuTLS agrees.
func TestGnuTLS(t *testing.T) {
	f := newForeign(t)
	for _, tt := range []struct{ cert, says string }{{f.good, "good"}, {f.revoked, "revoked"}} {
		out, ok := run(t, "ocsptool", "--ask="+f.URL+"/ocsp", "--load-issuer", f.issuing, "--load-cert", tt.cert, "--load-trust", f.chain)
		require.Contains(t, out, "Certificate Status: "+tt.says)
		require.Contains(t, out, "Success")
		_ = ok // its exit code is not about the status
	}
}

// Java's PKIX agrees, by OCSP alone and by CRLs alone, for the whole chain.
func TestJava(t *testing.T) {
	f := newForeign(t)
	source := filepath.Join(t.TempDir(), "Check.java")
	require.NoError(t, os.WriteFile(source, []byte(checkJava), 0o600))
	lists := filepath.Join(t.TempDir(), "chain.crl.pem")
	require.NoError(t, os.WriteFile(lists, f.get("/chain.crl.pem"), 0o600))
	for _, method := range []string{"ocsp", "crl"} {
		for _, tt := range []struct{ cert, says string }{{f.good, "VALID"}, {f.revoked, "KEY_COMPROMISE"}} {
			out, ok := run(t, "java", source, method, f.root, f.issuing, tt.cert, f.URL+"/ocsp", lists)
			require.True(t, ok)
			require.Contains(t, out, tt.says)
		}
	}
}

// checkJava validates a chain with revocation checking that fails hard.
const checkJava = `
import java.io.*;
import java.net.URI;
import java.security.cert.*;
import java.util.*;

public class Check {
    static X509Certificate read(String file) throws Exception {
        try (InputStream in = new FileInputStream(file)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    public static void main(String[] a) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        PKIXParameters params = new PKIXParameters(Set.of(new TrustAnchor(read(a[1]), null)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        if (a[0].equals("ocsp")) {
            checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK));
            checker.setOcspResponder(new URI(a[4]));
        } else {
            checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
            try (InputStream in = new FileInputStream(a[5])) {
                params.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(factory.generateCRLs(in))));
            }
        }
        params.addCertPathChecker(checker);
        try {
            validator.validate(factory.generateCertPath(List.of(read(a[3]), read(a[2]))), params);
            System.out.println("VALID");
        } catch (CertPathValidatorException e) {
            System.out.println(e.getReason() + " " + e + " " + e.getCause());
        }
    }
}
`
