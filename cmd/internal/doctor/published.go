package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// maxPublished is more than any list measures.
const maxPublished = 1 << 30

// published tells whether the files in publish_dir are what a web server should serve.
func published(_ context.Context, c *Case) []Finding {
	switch {
	case c.Config == nil:
		return c.without()
	case c.Config.CRL.PublishDir == "":
		return []Finding{skip("no publish_dir is configured")}
	case c.Keys == nil || c.Keys.Root == nil:
		return []Finding{skip("lists cannot be judged without the root's certificate")}
	}
	p := publication{c, c.Config.CRL.PublishDir}
	found := p.list("root", fmt.Sprintf("%x", c.Keys.Root.SubjectKeyId), c.Keys.Root)
	for _, one := range c.Keys.Intermediates {
		if one.Issues && one.Certificate != nil {
			found = append(found, p.list("full", one.ID, one.Certificate)...)
			found = append(found, p.list("delta", one.ID, one.Certificate)...)
		}
	}
	chain, err := os.ReadFile(filepath.Join(p.dir, "chain.crl.pem"))
	if block, _ := pem.Decode(chain); err == nil && (block == nil || block.Type != "X509 CRL") {
		err = fmt.Errorf("%s holds no list", filepath.Join(p.dir, "chain.crl.pem"))
	}
	if err != nil {
		found = append(found, fail(store.TroublePublish.Remedy(), "%v", err))
	}
	return orOK(found, "%s holds lists that are in force", p.dir)
}

// A publication is the directory of a case.
type publication struct {
	*Case
	dir string
}

// list judges one file.
func (p publication) list(kind, issuer string, cert *x509.Certificate) []Finding {
	name := "full.crl"
	if kind == "delta" {
		name = "delta.crl"
	}
	path := filepath.Join(p.dir, "crl", issuer, name)
	info, err := os.Stat(path)
	if err != nil {
		return []Finding{fail(store.TroublePublish.Remedy(), "%v", err)}
	}
	if info.Size() > maxPublished {
		return []Finding{fail(store.TroublePublish.Remedy(), "%s is no list: it has %d bytes", path, info.Size())}
	}
	der, err := os.ReadFile(path)
	if err != nil {
		return []Finding{fail(store.TroublePublish.Remedy(), "%v", err)}
	}
	list, err := crl.OpenHead(der, cert)
	if err != nil {
		return []Finding{fail(store.TroublePublish.Remedy(), "%s: %v", path, err)}
	}
	if left := list.NextUpdate().Sub(p.Now()); left <= 0 {
		do := store.TroublePublish.Remedy()
		if p.Daemon == nil {
			do = "start the daemon, which writes it anew"
		}
		return []Finding{fail(do, "%s has ended: whoever goes by it refuses everyone", path)}
	}
	if p.Daemon == nil {
		return nil
	}
	// The daemon writes within seconds what it signs, and what it writes is at least the
	// list of before.
	signed, _ := p.Daemon.value("betonica_crl_number", "issuer", issuer, "kind", kind)
	age, _ := p.Daemon.seconds("betonica_crl_age_seconds", "issuer", issuer, "kind", kind)
	if int64(signed) > list.Number() && age > mirrorPatience {
		return []Finding{fail(store.TroublePublish.Remedy(), "%s is list %d, and the daemon signed %d %s ago", path, list.Number(), int64(signed), span(age))}
	}
	return nil
}
