package crl_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// A shelf is a directory where other programs find our files.
type shelf struct {
	t   *testing.T
	dir string
}

func newShelf(t *testing.T) shelf { return shelf{t, t.TempDir()} }

func (s shelf) path(name string) string { return filepath.Join(s.dir, name) }

func (s shelf) put(name string, contents []byte) string {
	require.NoError(s.t, os.WriteFile(s.path(name), contents, 0o600))
	return s.path(name)
}

func (s shelf) pem(name, kind string, ders ...[]byte) string {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return s.put(name, text)
}

// leaf is a certificate with our serial number n, which points at delta lists.
func leaf(t testing.TB, ca party, n uint64) party { return sharded(t, ca, n) }

// sharded is leaf with CRL distribution points.
func sharded(t testing.TB, ca party, n uint64, points ...string) party {
	number := serial(n)
	return issue(t, &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(number[:]),
		Subject:      pkix.Name{CommonName: fmt.Sprint("leaf ", n)},
		NotBefore:    ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		CRLDistributionPoints: points,
		ExtraExtensions: []pkix.Extension{{ // the place does not matter: the lists are given
			Id: []int{2, 5, 29, freshestCRL}, Value: seq(seq(tlv(0xa0, tlv(0xa0, tlv(0x86, []byte("http://127.0.0.1/")))))),
		}},
	}, ca, key(t, 9))
}

// today is template as of the clock that foreign programs read.
func today(n, base int64) crl.Template {
	p := template(n, base)
	p.ThisUpdate = time.Now().UTC().Truncate(time.Second).Add(-time.Minute)
	p.NextUpdate = p.ThisUpdate.Add(time.Hour)
	return p
}

// openssl and GnuTLS verify our lists, for each kind of key, and refuse the revoked and
// only the revoked.
func TestWitnessesVerify(t *testing.T) {
	for kind, signer := range signers(t) {
		ca := authority(t, "Issuer", signer, nil)
		good, bad := leaf(t, ca, 1000), leaf(t, ca, 7)
		for _, n := range []int{10, 2000} {
			t.Run(fmt.Sprintf("%s, %d entries", kind, n), func(t *testing.T) {
				s := newShelf(t)
				revoked := slices.Collect(collect(t, n).All())
				revoked = slices.DeleteFunc(revoked, func(e crl.Entry) bool { return e.Serial == serial(1000) })
				der := encode(t, ca, today(5, 0), set(t, revoked...))
				caFile := s.pem("ca.pem", "CERTIFICATE", ca.Raw)
				list := s.pem("list.pem", "X509 CRL", der)
				goodFile, badFile := s.pem("good.pem", "CERTIFICATE", good.Raw), s.pem("bad.pem", "CERTIFICATE", bad.Raw)

				witness(t, "openssl", "asn1parse", "-in", list)
				said := witness(t, "openssl", "crl", "-in", list, "-CAfile", caFile, "-noout", "-crlnumber")
				require.Contains(t, said, "verify OK")
				require.Contains(t, said, "crlNumber=0x05")
				witness(t, "openssl", "verify", "-crl_check", "-CAfile", caFile, "-CRLfile", list, goodFile)
				said, err := ask(t, "openssl", "verify", "-crl_check", "-CAfile", caFile, "-CRLfile", list, badFile)
				require.Error(t, err)
				require.Contains(t, said, "certificate revoked")

				said = witness(t, "certtool", "--verify-crl", "--load-ca-certificate", caFile, "--infile", list)
				require.Contains(t, said, "Verification output: Verified")
				witness(t, "certtool", "--verify", "--load-ca-certificate", caFile, "--load-crl", list, "--infile", goodFile)
				said, err = ask(t, "certtool", "--verify", "--load-ca-certificate", caFile, "--load-crl", list, "--infile", badFile)
				require.Error(t, err)
				require.Contains(t, said, "revoked")
			})
		}
	}
}

// openssl takes our delta for one to our full list: it refuses what only the delta
// names, and not what it names once the delta is gone.
func TestOpenSSLDelta(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	s := newShelf(t)
	full := encode(t, ca, today(5, 0), set(t, crl.Entry{Serial: serial(1), RevokedAt: now}))
	delta := encode(t, ca, today(6, 5), set(t, crl.Entry{Serial: serial(2), RevokedAt: now, Reason: crl.KeyCompromise}))
	caFile := s.pem("ca.pem", "CERTIFICATE", ca.Raw)
	target := s.pem("leaf.pem", "CERTIFICATE", leaf(t, ca, 2).Raw)
	lists := s.pem("lists.pem", "X509 CRL", full, delta)
	said, err := ask(t, "openssl", "verify", "-crl_check", "-extended_crl", "-use_deltas", "-CAfile", caFile, "-CRLfile", lists, target)
	require.Error(t, err)
	require.Contains(t, said, "certificate revoked")
	witness(t, "openssl", "verify", "-crl_check", "-CAfile", caFile, "-CRLfile", s.pem("full.pem", "X509 CRL", full), target)

	said = witness(t, "openssl", "crl", "-in", s.pem("delta.pem", "X509 CRL", delta), "-CAfile", caFile, "-noout", "-text")
	require.Contains(t, said, "verify OK")
	require.Contains(t, said, "X509v3 Delta CRL Indicator: critical")
	require.Contains(t, said, "Key Compromise")
}

// Lists that openssl and GnuTLS make are read as they meant them.
func TestOpenWitnesses(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	bad := leaf(t, ca, 7)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ca.Signer)
	require.NoError(t, err)
	for name, produce := range map[string]func(s shelf, caFile, keyFile, badFile string){
		"openssl": func(s shelf, caFile, keyFile, badFile string) {
			config := s.put("ca.cnf", []byte("[ca]\ndefault_ca=d\n[d]\ndatabase="+s.put("index", nil)+
				"\ncrlnumber="+s.put("number", []byte("1234\n"))+"\ndefault_md=sha256\ndefault_crl_days=1\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid:always\n"))
			witness(t, "openssl", "ca", "-config", config, "-cert", caFile, "-keyfile", keyFile, "-revoke", badFile, "-crl_reason", "keyCompromise")
			witness(t, "openssl", "ca", "-config", config, "-cert", caFile, "-keyfile", keyFile, "-gencrl", "-out", s.path("list.pem"))
		},
		"GnuTLS": func(s shelf, caFile, keyFile, badFile string) {
			config := s.put("crl.cfg", []byte("crl_next_update = 1\ncrl_number = 0x1234\n"))
			witness(t, "certtool", "--generate-crl", "--load-ca-certificate", caFile, "--load-ca-privkey", keyFile,
				"--load-certificate", badFile, "--template", config, "--outfile", s.path("list.pem"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			produce(s, s.pem("ca.pem", "CERTIFICATE", ca.Raw), s.pem("key.pem", "PRIVATE KEY", pkcs8), s.pem("bad.pem", "CERTIFICATE", bad.Raw))
			text, err := os.ReadFile(s.path("list.pem"))
			require.NoError(t, err)
			block, _ := pem.Decode(text)
			require.NotNil(t, block)
			l := open(t, ca, block.Bytes)
			require.Equal(t, int64(0x1234), l.Number())
			require.Equal(t, 1, l.Entries().Len())
			_, found := l.Entries().Lookup(serial(7))
			require.True(t, found)
		})
	}
}
