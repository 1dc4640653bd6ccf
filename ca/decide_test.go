package ca_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

const decidePolicy = `
[role.device]
names = ["SN-*", "sn_*", "*.*"]
dns = ["{name}.device.hospital.example", "*.lab.hospital.example", "*.{name}.ward.example", "localhost"]
ip = ["10.20.0.0/16", "fd00:20::/32"]

[role.plain]

[role.narrow]
keys = ["P-384", "RSA-3072"]
methods = ["token"]
networks = ["192.0.2.0/24", "2001:db8::/32"]
share_names = true
rekey = "required"
usages = ["server"]
`

// Every name is judged, and so are key, method and network: one that is not
// covered refuses the whole request.
func TestDecide(t *testing.T) {
	policy := newPolicy(t, decidePolicy)
	device := ca.Identity{ID: newID(t, "device/SN-1"), Method: ca.MethodToken}
	with := func(id ca.Identity, change func(*ca.Identity)) ca.Identity { change(&id); return id }
	named := func(path string) ca.Identity { return ca.Identity{ID: newID(t, path), Method: ca.MethodToken} }
	from := func(path, source string) ca.Identity {
		return ca.Identity{ID: newID(t, path), Method: ca.MethodToken, Source: netip.MustParseAddr(source)}
	}
	recorded := with(device, func(id *ca.Identity) {
		id.DNSNames, id.IPs = []string{"B.lab.hospital.example", "a.lab.hospital.example"}, []netip.Addr{netip.MustParseAddr("10.20.0.1")}
	})
	self := ca.Identity{ID: newID(t, "ca/ca.hospital.example"), Method: ca.MethodSelf,
		DNSNames: []string{"ca.hospital.example", "localhost"}, IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	dns := func(names ...string) x509.CertificateRequest { return x509.CertificateRequest{DNSNames: names} }
	ips := func(ss ...string) (r x509.CertificateRequest) {
		for _, s := range ss {
			r.IPAddresses = append(r.IPAddresses, net.ParseIP(s))
		}
		return r
	}
	cn := func(name string, names ...string) x509.CertificateRequest {
		return x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: names}
	}
	uri := func(s string) x509.CertificateRequest {
		return x509.CertificateRequest{URIs: []*url.URL{must(url.Parse(s))}}
	}
	none := x509.CertificateRequest{}
	permanent := func(s string) ca.Request {
		return must(ca.ParseRequest(rawRequest{extensions: [][]byte{san(permanentID(s))}}.sign(t, p256Key())))
	}
	validated := with(recorded, func(id *ca.Identity) {
		id.Method = ca.MethodACME
		id.ValidatedDNS = []string{"C.lab.hospital.example", "evil.example", "*.lab.hospital.example", "*.x.lab.hospital.example", "*.hospital.example", "*.localhost", "*.sn-1.ward.example"}
		id.ValidatedIPs = []netip.Addr{netip.MustParseAddr("10.20.0.2"), netip.MustParseAddr("10.99.0.1")}
	})
	p256, p384 := p256Key(), p384Key()
	for _, tt := range []struct {
		name   string
		id     ca.Identity
		req    ca.Request
		dns    []string
		ips    []string
		denied string // part of the reason; empty: granted
	}{
		{"nothing asked for", device, newRequest(t, p256, none), nil, nil, ""},
		{"own DNS name", device, newRequest(t, p256, dns("SN-1.device.hospital.example")), []string{"sn-1.device.hospital.example"}, nil, ""},
		{"another's DNS name", device, newRequest(t, p256, dns("sn-2.device.hospital.example")), nil, nil, "not covered"},
		{"own and another's", device, newRequest(t, p256, dns("sn-1.device.hospital.example", "sn-2.device.hospital.example")), nil, nil, `"sn-2.device.hospital.example" is not covered`},
		{"one label before a domain", device, newRequest(t, p256, dns("z.lab.hospital.example", "a.lab.hospital.example")), []string{"a.lab.hospital.example", "z.lab.hospital.example"}, nil, ""},
		{"two labels before a domain", device, newRequest(t, p256, dns("a.b.lab.hospital.example")), nil, nil, "not covered"},
		{"the domain itself", device, newRequest(t, p256, dns("lab.hospital.example")), nil, nil, "not covered"},
		{"the domain as a suffix of a label", device, newRequest(t, p256, dns("xlab.hospital.example")), nil, nil, "not covered"},
		{"fixed name", device, newRequest(t, p256, dns("localhost")), []string{"localhost"}, nil, ""},
		{"broken A-label", device, newRequest(t, p256, dns("xn--a.lab.hospital.example")), nil, nil, "not covered"},
		{"name with a dot", named("device/a.b"), newRequest(t, p256, dns("a.b.device.hospital.example")), []string{"a.b.device.hospital.example"}, nil, ""},
		{"part of a name with a dot", named("device/a.b"), newRequest(t, p256, dns("b.device.hospital.example")), nil, nil, "not covered"},
		{"name that is no host name", named("device/sn_1"), newRequest(t, p256, dns("sn-1.device.hospital.example")), nil, nil, "not covered"},
		{"role without DNS rules", named("plain/x"), newRequest(t, p256, dns("localhost")), nil, nil, "not covered"},

		{"addresses", device, newRequest(t, p256, ips("10.20.3.4", "fd00:20::1")), nil, []string{"10.20.3.4", "fd00:20::1"}, ""},
		{"address outside", device, newRequest(t, p256, ips("10.21.0.1")), nil, nil, "10.21.0.1 is not covered"},
		{"address of the other kind", device, newRequest(t, p256, ips("fd00:21::1")), nil, nil, "not covered"},
		{"role without address rules", named("plain/x"), newRequest(t, p256, ips("10.20.0.1")), nil, nil, "not covered"},

		{"names on record", recorded, newRequest(t, p256, none), []string{"a.lab.hospital.example", "b.lab.hospital.example"}, []string{"10.20.0.1"}, ""},
		{"some of those on record", recorded, newRequest(t, p256, dns("b.lab.hospital.example")), []string{"b.lab.hospital.example"}, nil, ""},
		{"covered, not on record", recorded, newRequest(t, p256, dns("c.lab.hospital.example")), nil, nil, "not on record"},
		{"address not on record", recorded, newRequest(t, p256, ips("10.20.0.2")), nil, nil, "not on record"},
		{"on record, no longer covered", with(device, func(id *ca.Identity) { id.DNSNames = []string{"old.example"} }), newRequest(t, p256, none), nil, nil, "not covered"},
		{"address on record, no longer covered", with(device, func(id *ca.Identity) { id.IPs = []netip.Addr{netip.MustParseAddr("10.1.1.1")} }), newRequest(t, p256, none), nil, nil, "not covered"},
		{"nonsense on record", with(device, func(id *ca.Identity) { id.DNSNames = []string{"*.lab.hospital.example"} }), newRequest(t, p256, none), nil, nil, "on record"},
		{"no address on record", with(device, func(id *ca.Identity) { id.IPs = []netip.Addr{{}} }), newRequest(t, p256, none), nil, nil, "on record"},

		{"validated beside the record", validated, newRequest(t, p256, dns("c.lab.hospital.example", "a.lab.hospital.example")), []string{"a.lab.hospital.example", "c.lab.hospital.example"}, nil, ""},
		{"address validated beside the record", validated, newRequest(t, p256, ips("10.20.0.2")), nil, []string{"10.20.0.2"}, ""},
		{"neither on record nor validated", validated, newRequest(t, p256, dns("d.lab.hospital.example")), nil, nil, "not on record"},
		{"validated, not covered", validated, newRequest(t, p256, dns("evil.example")), nil, nil, "not covered"},
		{"address validated, not covered", validated, newRequest(t, p256, ips("10.99.0.1")), nil, nil, "not covered"},
		{"validated is not asked for", validated, newRequest(t, p256, none), []string{"a.lab.hospital.example", "b.lab.hospital.example"}, []string{"10.20.0.1"}, ""},

		{"wildcard, not validated", device, newRequest(t, p256, dns("*.lab.hospital.example")), nil, nil, "not validated"},
		{"wildcard", validated, newRequest(t, p256, dns("*.LAB.hospital.example")), []string{"*.lab.hospital.example"}, nil, ""},
		{"wildcard of a wildcard's label", validated, newRequest(t, p256, dns("*.x.lab.hospital.example")), nil, nil, "not covered"},
		{"wildcard that would be one label", validated, newRequest(t, p256, dns("*.hospital.example")), nil, nil, "not covered"},
		{"wildcard of an exact rule", validated, newRequest(t, p256, dns("*.localhost")), nil, nil, "not covered"},
		{"wildcard of the own name", validated, newRequest(t, p256, dns("*.sn-1.ward.example")), []string{"*.sn-1.ward.example"}, nil, ""},
		{"wildcard as a common name", validated, newRequest(t, p256, cn("*.lab.hospital.example", "*.lab.hospital.example")), []string{"*.lab.hospital.example"}, nil, ""},

		{"own permanent identifier", device, permanent("SN-1"), nil, nil, ""},
		{"another's permanent identifier", device, permanent("SN-2"), nil, nil, `another permanent identifier, "SN-2"`},
		{"own permanent identifier in other letters", device, permanent("sn-1"), nil, nil, "another permanent identifier"},

		{"own common name", device, newRequest(t, p256, cn("SN-1")), nil, nil, ""},
		{"granted DNS name as common name", device, newRequest(t, p256, cn("LOCALHOST", "localhost")), []string{"localhost"}, nil, ""},
		{"recorded DNS name as common name", recorded, newRequest(t, p256, cn("a.lab.hospital.example")), []string{"a.lab.hospital.example", "b.lab.hospital.example"}, []string{"10.20.0.1"}, ""},
		{"another's common name", device, newRequest(t, p256, cn("SN-2")), nil, nil, `common name "SN-2"`},
		{"own common name in other letters", device, newRequest(t, p256, cn("sn-1")), nil, nil, `common name "sn-1"`},
		{"DNS name not granted as common name", device, newRequest(t, p256, cn("localhost")), nil, nil, "common name"},
		{"granted address as common name", recorded, newRequest(t, p256, cn("10.20.0.1")), []string{"a.lab.hospital.example", "b.lab.hospital.example"}, []string{"10.20.0.1"}, ""},
		{"address not granted as common name", recorded, newRequest(t, p256, cn("10.20.0.2")), nil, nil, "common name"},
		{"control characters as common name", device, newRequest(t, p256, cn("\x1b[2J")), nil, nil, `common name "\x1b[2J"`},

		{"own URI", device, newRequest(t, p256, uri("spiffe://hospital.example/device/SN-1")), nil, nil, ""},
		{"another's URI", device, newRequest(t, p256, uri("spiffe://hospital.example/device/SN-2")), nil, nil, "another identity"},
		{"own URI elsewhere", device, newRequest(t, p256, uri("spiffe://other.example/device/SN-1")), nil, nil, "another identity"},

		{"name outside of the role", named("device/other"), newRequest(t, p256, none), nil, nil, `name "other" is not covered`},
		{"unknown role", named("unknown/x"), newRequest(t, p256, none), nil, nil, "no such role"},
		{"nobody", ca.Identity{Method: ca.MethodToken}, newRequest(t, p256, none), nil, nil, "no such role"},
		{"no request", device, ca.Request{}, nil, nil, "no request"},
		{"no method", with(device, func(id *ca.Identity) { id.Method = "" }), newRequest(t, p256, none), nil, nil, "method"},
		{"method of the authority", with(device, func(id *ca.Identity) { id.Method = ca.MethodSelf }), newRequest(t, p256, none), nil, nil, "method"},

		{"narrow", from("narrow/x", "192.0.2.7"), newRequest(t, p384, none), nil, nil, ""},
		{"narrow, mapped", from("narrow/x", "::ffff:192.0.2.7"), newRequest(t, p384, none), nil, nil, ""},
		{"narrow, zone", from("narrow/x", "2001:db8::1%eth0"), newRequest(t, p384, none), nil, nil, ""},
		{"narrow, elsewhere", from("narrow/x", "198.51.100.1"), newRequest(t, p384, none), nil, nil, "none of its networks"},
		{"narrow, from nowhere", named("narrow/x"), newRequest(t, p384, none), nil, nil, "none of its networks"},
		{"narrow, other method", with(from("narrow/x", "192.0.2.7"), func(id *ca.Identity) { id.Method = ca.MethodRenew }), newRequest(t, p384, none), nil, nil, "method"},
		{"narrow, other key", from("narrow/x", "192.0.2.7"), newRequest(t, p256, none), nil, nil, "key type P-256"},
		{"narrow, short key", from("narrow/x", "192.0.2.7"), newRequest(t, rsa2048Key(), none), nil, nil, "key type RSA-2048"},
		{"narrow, long key", from("narrow/x", "192.0.2.7"), newRequest(t, rsa3072Key(), none), nil, nil, ""},

		{"the authority", self, newRequest(t, p256, none), []string{"ca.hospital.example", "localhost"}, []string{"127.0.0.1"}, ""},
		{"the authority, by token", with(self, func(id *ca.Identity) { id.Method = ca.MethodToken }), newRequest(t, p256, none), nil, nil, "method"},
		{"the authority, other name", self, newRequest(t, p256, dns("www.hospital.example")), nil, nil, "not on record"},
		{"the authority, nothing on record", ca.Identity{ID: self.ID, Method: ca.MethodSelf}, newRequest(t, p256, dns("localhost")), nil, nil, "on record"},
		{"an admin", named("admin/mary"), newRequest(t, ed25519Key(), none), nil, nil, ""},
		{"an admin with a DNS name", named("admin/mary"), newRequest(t, p256, dns("localhost")), nil, nil, "not covered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grant, err := policy.Decide(tt.id, tt.req, time.Now())
			if tt.denied != "" {
				var denied *ca.DeniedError
				require.ErrorAs(t, err, &denied)
				require.Contains(t, denied.Reason, tt.denied)
				require.Equal(t, tt.id.ID, denied.ID)
				require.Zero(t, grant)
				return
			}
			require.NoError(t, err)
			var got []string
			for _, addr := range grant.IPs() {
				got = append(got, addr.String())
			}
			require.Equal(t, tt.ips, got)
			require.Equal(t, tt.dns, grant.DNSNames())
		})
	}
}

// A grant carries what the store must find unchanged when the certificate is
// recorded.
func TestGrant(t *testing.T) {
	policy := newPolicy(t, decidePolicy).WithVersion(3)
	req := newRequest(t, p384Key(), x509.CertificateRequest{})
	id := ca.Identity{ID: newID(t, "narrow/x"), Revision: 5, Method: ca.MethodToken, Source: netip.MustParseAddr("192.0.2.1")}
	grant, err := policy.Decide(id, req, time.Now())
	require.NoError(t, err)
	require.Equal(t, id.ID, grant.Identity())
	require.Equal(t, int64(5), grant.Revision())
	require.Equal(t, int64(3), grant.PolicyVersion())
	require.Equal(t, "narrow", grant.Role())
	require.Equal(t, req.SPKI(), grant.SPKI())
	require.True(t, grant.SharesNames())
	require.True(t, grant.Rekey())
}

// What a refused caller reads names the identity, the role and the value.
func TestDeniedErrorText(t *testing.T) {
	policy := newPolicy(t, decidePolicy)
	req := newRequest(t, p256Key(), x509.CertificateRequest{DNSNames: []string{"evil.example"}})
	_, err := policy.Decide(ca.Identity{ID: newID(t, "device/SN-1"), Method: ca.MethodToken}, req, time.Now())
	require.EqualError(t, err, `device/SN-1 may not enroll: role "device": DNS name "evil.example" is not covered`)
	_, err = policy.Decide(ca.Identity{ID: newID(t, "x/SN-1"), Method: ca.MethodToken}, req, time.Now())
	require.EqualError(t, err, `x/SN-1 may not enroll: there is no such role`)
	require.EqualError(t, policy.AllowsName("device", "x"), `this identity may not enroll: role "device": name "x" is not covered`)
}
