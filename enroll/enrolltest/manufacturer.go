package enrolltest

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A Manufacturer makes devices, and gives each a birth certificate (IEEE 802.1AR: IDevID)
// by way of an intermediate.
type Manufacturer struct {
	Root, Intermediate *x509.Certificate

	t                   testing.TB
	rootKey, issuingKey crypto.Signer
}

// NewManufacturer returns a manufacturer with keys of its own.
func NewManufacturer(t testing.TB, name string) *Manufacturer {
	t.Helper()
	m := &Manufacturer{t: t, rootKey: NewKey(t), issuingKey: NewKey(t)}
	root := authorityTemplate(name + " Root")
	m.Root = m.sign(root, root, m.rootKey.Public(), m.rootKey)
	m.Intermediate = m.sign(authorityTemplate(name+" Devices"), m.Root, m.issuingKey.Public(), m.rootKey)
	return m
}

func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(30, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func (m *Manufacturer) sign(template, parent *x509.Certificate, key crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	m.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, by)
	require.NoError(m.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(m.t, err)
	return cert
}

// PEM is what a role's manufacturer_roots hold.
func (m *Manufacturer) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Root.Raw}))
}

// Device returns a new device's key and chain, its own certificate first, which is good
// for ever. change may alter the certificate before it is signed.
func (m *Manufacturer) Device(serial string, change ...func(*x509.Certificate)) (crypto.Signer, []*x509.Certificate) {
	m.t.Helper()
	key := NewKey(m.t)
	return key, m.Birth(key, serial, change...)
}

// Birth returns the chain of a device with that key.
func (m *Manufacturer) Birth(key crypto.Signer, serial string, change ...func(*x509.Certificate)) []*x509.Certificate {
	m.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{Organization: []string{"Pumps Inc"}, SerialNumber: serial},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	for _, f := range change {
		f(template)
	}
	return []*x509.Certificate{m.sign(template, m.Intermediate, key.Public(), m.issuingKey), m.Intermediate}
}

// Under returns the manufacturer with another intermediate, for the same key.
func (m *Manufacturer) Under(change func(*x509.Certificate)) *Manufacturer {
	m.t.Helper()
	template := authorityTemplate("Other Devices")
	change(template)
	other := *m
	other.Intermediate = m.sign(template, m.Root, m.issuingKey.Public(), m.rootKey)
	return &other
}

// Inventory puts a pending identity and its device on record, as an import does.
func (c *CA) Inventory(role, name, serial string) {
	c.t.Helper()
	require.NoError(c.t, c.Store.Update(c.t.Context(), func(tx *store.Tx) audit.Event {
		path := role + "/" + name
		tx.CreateIdentity(store.Identity{Path: path, Role: role, Name: name, State: store.Pending})
		tx.InsertDevice(store.Device{Role: role, Serial: serial, Identity: path})
		return audit.Event{Action: "identity.import", Actor: "uid:0", Subject: path, Outcome: "ok"}
	}))
}
