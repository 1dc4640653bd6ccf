package store

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"
)

// A Certificate is one that we issued. Rows are written once and never changed:
// what becomes of a certificate is in revocations, lineage and confirmations.
type Certificate struct {
	Serial              Serial
	Issuer              string   // its authority key identifier, in hex
	Identity            string   // path of who holds it
	SPKI                [32]byte // SHA-256 of the public key's SubjectPublicKeyInfo
	NotBefore, NotAfter time.Time
	DER                 []byte

	// How it came to be.
	Method string   // of the enrolment: "token", "renew", ...
	Token  *TokenID // the join token that was spent for it; nil: none
	Parent *Serial  // the certificate that was presented for it; nil: none
	Policy int64    // version that allowed it

	// Revocation is what became of it, in lists alone; nil: it stands.
	Revocation *Revocation

	// What InsertCertificate demands beside; never read back.
	Revision    int64    // of the identity, as it was decided upon
	Rekey       bool     // the key must never have been certified before
	SharesNames bool     // the names are reserved to the whole role
	AdoptsNames bool     // with SharesNames: also those that one identity of the role held alone
	DNSNames    []string // names to reserve, in lower case
	IPs         []string // addresses to reserve, in netip.Addr's text form
}

// NewCertificate returns the record of cert as far as cert itself tells it:
// serial, issuer, key, times, DER, and the names to reserve. The caller adds who holds
// it and how it came to be.
func NewCertificate(cert *x509.Certificate) Certificate {
	c := Certificate{
		Serial: SerialOf(cert), Issuer: hex.EncodeToString(cert.AuthorityKeyId), SPKI: sha256.Sum256(cert.RawSubjectPublicKeyInfo),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, DER: cert.Raw, DNSNames: cert.DNSNames,
	}
	for _, ip := range cert.IPAddresses {
		c.IPs = append(c.IPs, ip.String())
	}
	return c
}

// X509 parses the certificate.
func (c *Certificate) X509() (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil, fmt.Errorf("parsing certificate %s of record: %w", c.Serial, err)
	}
	return cert, nil
}

const insertCertificate = `
	INSERT INTO certificates (serial, identity, not_before, not_after, spki, method, token, parent, policy_version, der, issuer)
	SELECT $1, i.path, $2, $3, $4, $5, $6, $7, c.policy_version, $8, (SELECT s.id FROM issuers s WHERE s.key_id = $9)
	FROM identities i, current c
	WHERE i.path = $10 AND i.state IN ('active', $11) AND i.revision = $12 AND c.id = 1 AND c.policy_version = $13
	AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = $7)
	{share of i, c}`

// InsertCertificate demands, when the transaction commits, that the identity is
// active at c.Revision, the policy in force is c.Policy, and c.Parent is not
// revoked ([ErrStale]); that the public key belongs to no other identity, and is
// new if c.Rekey ([ErrKeyTaken]); and that every name is free or the identity's
// own ([ErrNameTaken]). It records the certificate and takes the key and the
// names. With [MethodAttestation] the identity may be pending, too, and the key must be
// nobody's, or have been an attestation key of that identity. An issuer that [DB.AddIssuer] did not record is an error.
//
// A revocation, suspension or change of policy that commits between the decision
// and this transaction wins, on whichever replica it happens.
func (t *Tx) InsertCertificate(c Certificate) {
	also, owner := Active, c.Identity
	if c.Method == MethodAttestation {
		also, owner = Pending, MethodAttestation+":"+c.Identity
	}
	t.demand(1, ErrStale, insertCertificate,
		c.Serial[:], c.NotBefore.UnixMilli(), c.NotAfter.UnixMilli(), c.SPKI[:], c.Method, c.Token.arg(), c.Parent.arg(), c.DER, c.Issuer,
		c.Identity, string(also), c.Revision, c.Policy)
	t.takeKey(c.SPKI, owner, c.Serial, c.Rekey)
	holder := c.Identity
	if c.SharesNames {
		role, _ := splitPath(c.Identity)
		holder = role + "/*"
	}
	take := t.takeName
	if c.SharesNames && c.AdoptsNames {
		take = func(name, holder string) { t.adoptName(name, holder, c.Identity) }
	}
	for _, name := range c.DNSNames {
		take(name, holder)
	}
	for _, ip := range c.IPs {
		take(ip, holder)
	}
}

const certificateColumns = `c.serial, c.identity, c.not_before, c.not_after, c.spki, c.method, c.token, c.parent, c.policy_version, c.der,
	(SELECT s.key_id FROM issuers s WHERE s.id = c.issuer)`

// Certificate returns the certificate with this serial, or [ErrNotFound].
func (d *DB) Certificate(ctx context.Context, serial Serial) (Certificate, error) {
	var r certificateRow
	err := d.reads.row(ctx, `SELECT `+certificateColumns+` FROM certificates c WHERE c.serial = $1`, []any{serial[:]}, r.dest()...)
	if err != nil {
		return Certificate{}, fmt.Errorf("reading certificate %s: %w", serial, err)
	}
	return r.certificate(), nil
}

// CertificateByKey returns the newest certificate for the public key with this
// SHA-256, or [ErrNotFound].
func (d *DB) CertificateByKey(ctx context.Context, spki [32]byte) (Certificate, error) {
	var r certificateRow
	err := d.reads.row(ctx, `
		SELECT `+certificateColumns+`
		FROM keys k JOIN certificates c ON c.serial = k.serial
		WHERE k.spki = $1`, []any{spki[:]}, r.dest()...)
	if err != nil {
		return Certificate{}, fmt.Errorf("reading certificate by key: %w", err)
	}
	return r.certificate(), nil
}

// A certificateRow is a certificate as the database has it.
type certificateRow struct {
	serial, spki, token, parent, der []byte
	identity, method                 string
	issuer                           sql.NullString // NULL: of nobody on record
	notBefore, notAfter, policy      int64
}

// dest returns where certificateColumns are scanned to.
func (r *certificateRow) dest() []any {
	return []any{&r.serial, &r.identity, &r.notBefore, &r.notAfter, &r.spki, &r.method, &r.token, &r.parent, &r.policy, &r.der, &r.issuer}
}

func (r *certificateRow) certificate() Certificate {
	c := Certificate{
		Issuer: r.issuer.String, Identity: r.identity, NotBefore: time.UnixMilli(r.notBefore).UTC(), NotAfter: time.UnixMilli(r.notAfter).UTC(),
		Method: r.method, Parent: nullSerial(r.parent), Policy: r.policy, DER: r.der,
	}
	copy(c.Serial[:], r.serial)
	copy(c.SPKI[:], r.spki)
	if token := nullSerial(r.token); token != nil {
		c.Token = (*TokenID)(token)
	}
	return c
}
