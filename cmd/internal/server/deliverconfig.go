package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/post"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
)

// DeliverConfig is [deliver]: what leaves the audit log for systems of somebody else's. A
// table that is there is a sink. Of what may fail at one of them, nothing else is slower.
type DeliverConfig struct {
	// Site is the enterprise or the site that records name as theirs (IHE ITI-20). At most
	// 256 bytes. Default: none.
	Site string `toml:"site"`

	FHIR         *FHIROutlet         `toml:"fhir"`
	Syslog       *SyslogOutlet       `toml:"syslog"`
	Webhook      *WebhookOutlet      `toml:"webhook"`
	Alertmanager *AlertmanagerOutlet `toml:"alertmanager"`
	Mail         *MailOutlet         `toml:"mail"`
	File         *FileOutlet         `toml:"file"`
}

// An OutletConfig is what all sinks have.
type OutletConfig struct {
	// Name is what is kept under which the sink got: one with another name begins anew.
	// From 1 to 64 of a-z, 0-9 and '-'. Default: the name of the table.
	Name OutletName `toml:"name"`
	// Since is what a sink begins with that was not there before: "all" that is on record,
	// or what comes from "now" on. Default "all" for the audit trail, "now" for alerts.
	Since Since `toml:"since"`
}

// A ReceiverConfig is how a receiver is known, and how it knows us. The files are read for
// each connection.
type ReceiverConfig struct {
	// CAFile has the authorities that the receiver's certificate may be of, in PEM.
	// Default: the system's.
	CAFile string `toml:"ca_file"`
	// ServerName is what the receiver's certificate must be for. Default: the host that is
	// dialled.
	ServerName string `toml:"server_name"`
	// CertFile and KeyFile are the certificate that we show, with its chain, and its
	// private key. Default: none is shown.
	CertFile string `toml:"cert_file"`
	KeyFile  string `toml:"key_file"`
	// MinTLS is the oldest version of TLS that will do: "1.3" or "1.2". Default "1.3".
	MinTLS TLSVersion `toml:"min_tls"`
}

// A FHIROutlet is [deliver.fhir]: AuditEvents on a FHIR R4 server. It gets the whole trail.
type FHIROutlet struct {
	OutletConfig
	ReceiverConfig
	// URL is the server's base, what comes before /AuditEvent. Required.
	URL ReceiverURL `toml:"url"`
	// TokenFile has a bearer token. Default: none.
	TokenFile string `toml:"token_file"`
	// Batch sends many in a Bundle. Default true.
	Batch *bool `toml:"batch"`
	// Conditional has the server create none that is there already. Default true.
	Conditional *bool `toml:"conditional"`
}

// A WebhookOutlet is [deliver.webhook]: each record as JSON, signed.
type WebhookOutlet struct {
	OutletConfig
	ReceiverConfig
	// URL is where to. Required.
	URL ReceiverURL `toml:"url"`
	// SecretFile has what signatures are made with. Required. Not everybody may be able to
	// read it.
	SecretFile string `toml:"secret_file"`
	// TokenFile has a bearer token. Default: none.
	TokenFile string `toml:"token_file"`
	// Events are the actions that are sent, or what they begin with and a star. Default
	// ["alert.*"]; ["*"] is the whole trail, what guards ship included.
	Events []EventPattern `toml:"events"`
}

// A FileOutlet is [deliver.file]: JSON lines. It gets the whole trail.
type FileOutlet struct {
	OutletConfig
	// Path is the file. Required.
	Path string `toml:"path"`
}

// Wire is what connections are made with.
func (r ReceiverConfig) Wire() wire.TLS {
	return wire.TLS{CAFile: r.CAFile, ServerName: r.ServerName, CertFile: r.CertFile, KeyFile: r.KeyFile, MinVersion: r.MinTLS.version}
}

func (r *ReceiverConfig) resolve(dir string) {
	for _, path := range []*string{&r.CAFile, &r.CertFile, &r.KeyFile} {
		optionalPath(path, dir)
	}
}

func (r *ReceiverConfig) check(table string) error {
	if (r.CertFile == "") != (r.KeyFile == "") {
		return fmt.Errorf("%s.cert_file and %s.key_file go together", table, table)
	}
	return nil
}

func optionalPath(path *string, dir string) {
	if *path != "" && !filepath.IsAbs(*path) {
		*path = filepath.Join(dir, *path)
	}
}

// resolve makes paths absolute.
func (d *DeliverConfig) resolve(dir string) {
	if o := d.FHIR; o != nil {
		o.ReceiverConfig.resolve(dir)
		optionalPath(&o.TokenFile, dir)
	}
	if o := d.Webhook; o != nil {
		o.ReceiverConfig.resolve(dir)
		optionalPath(&o.TokenFile, dir)
		optionalPath(&o.SecretFile, dir)
	}
	if o := d.Syslog; o != nil {
		o.ReceiverConfig.resolve(dir)
	}
	if o := d.Alertmanager; o != nil {
		o.ReceiverConfig.resolve(dir)
		optionalPath(&o.TokenFile, dir)
		optionalPath(&o.PasswordFile, dir)
	}
	if o := d.Mail; o != nil {
		o.ReceiverConfig.resolve(dir)
		optionalPath(&o.PasswordFile, dir)
	}
	if o := d.File; o != nil {
		optionalPath(&o.Path, dir)
	}
}

// check says what is missing, or contradicts itself.
func (d *DeliverConfig) check() error {
	var errs []error
	wants := func(table, key, value string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s has no %s", table, key))
		}
	}
	if len(d.Site) > 256 {
		errs = append(errs, errors.New("deliver.site is longer than 256 bytes"))
	}
	if o := d.FHIR; o != nil {
		wants("deliver.fhir", "url", o.URL.text)
		errs = append(errs, o.ReceiverConfig.check("deliver.fhir"))
	}
	if o := d.Webhook; o != nil {
		wants("deliver.webhook", "url", o.URL.text)
		wants("deliver.webhook", "secret_file", o.SecretFile)
		errs = append(errs, o.ReceiverConfig.check("deliver.webhook"))
	}
	if o := d.Syslog; o != nil {
		wants("deliver.syslog", "address", o.Address.text)
		errs = append(errs, o.ReceiverConfig.check("deliver.syslog"))
	}
	if o := d.Alertmanager; o != nil {
		wants("deliver.alertmanager", "url", o.URL.text)
		errs = append(errs, o.ReceiverConfig.check("deliver.alertmanager"), o.check())
	}
	if o := d.Mail; o != nil {
		wants("deliver.mail", "server", o.Server.text)
		wants("deliver.mail", "from", o.From.text)
		errs = append(errs, o.ReceiverConfig.check("deliver.mail"), o.check())
	}
	if o := d.File; o != nil {
		wants("deliver.file", "path", o.Path)
	}
	names := map[string]string{}
	for _, o := range d.Outlets() {
		if other := names[o.Name]; other != "" {
			errs = append(errs, fmt.Errorf("deliver.%s and deliver.%s are both called %q: set another name for one", other, o.Kind, o.Name))
		}
		names[o.Name] = o.Kind
	}
	return errors.Join(errs...)
}

// Outlets are the sinks that are configured, without the sinks.
func (d *DeliverConfig) Outlets() []deliver.Outlet {
	var all []deliver.Outlet
	add := func(kind, to string, c OutletConfig, trail bool, events deliver.Patterns) {
		o := deliver.Outlet{Name: kind, Kind: kind, To: to, Events: events, Journals: events.Guards(), All: trail}
		if c.Name.text != "" {
			o.Name = c.Name.text
		}
		if c.Since.text != "" {
			o.All = c.Since.text == sinceAll
		}
		all = append(all, o)
	}
	if o := d.FHIR; o != nil {
		add("fhir", post.Place(o.URL.text), o.OutletConfig, true, nil)
	}
	if o := d.Webhook; o != nil {
		var events deliver.Patterns
		for _, e := range o.Events {
			events = append(events, e.text)
		}
		if len(events) == 0 {
			events = alerts
		}
		add("webhook", post.Place(o.URL.text), o.OutletConfig, false, events)
	}
	if o := d.Syslog; o != nil {
		add("syslog", o.Address.text, o.OutletConfig, true, nil)
		all[len(all)-1].Batch = syslogBatch
	}
	if o := d.Alertmanager; o != nil {
		add("alertmanager", post.Place(o.URL.text), o.OutletConfig, false, alerts)
	}
	if o := d.Mail; o != nil {
		add("mail", o.Server.text, o.OutletConfig, false, alerts)
	}
	if o := d.File; o != nil {
		add("file", o.Path, o.OutletConfig, true, nil)
	}
	return all
}

// alerts are what leaves to those who are to be woken.
var alerts = deliver.Patterns{"alert.*"}

// An OutletName is what a sink is called.
type OutletName struct{ text string }

var outletName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// UnmarshalText takes a name; an empty text leaves the default.
func (n *OutletName) UnmarshalText(text []byte) error {
	if len(text) > 0 && !outletName.Match(text) {
		return fmt.Errorf("%q is not the name of a sink: 1 to 64 of a-z, 0-9 and '-'", text)
	}
	n.text = string(text)
	return nil
}

const (
	sinceAll = "all"
	sinceNow = "now"
)

// Since is what a sink begins with.
type Since struct{ text string }

// UnmarshalText takes "all" or "now".
func (s *Since) UnmarshalText(text []byte) error {
	s.text = string(text)
	if s.text != sinceAll && s.text != sinceNow {
		return fmt.Errorf("%q is not what a sink may begin with: \"all\" or \"now\"", text)
	}
	return nil
}

// An EventPattern is an action, or what some begin with and a star.
type EventPattern struct{ text string }

// UnmarshalText takes one.
func (e *EventPattern) UnmarshalText(text []byte) error {
	e.text = string(text)
	return deliver.Patterns{string(text)}.Check()
}

// A TLSVersion is "1.2" or "1.3".
type TLSVersion struct{ version uint16 }

// UnmarshalText takes a version.
func (v *TLSVersion) UnmarshalText(text []byte) error {
	switch string(text) {
	case "1.2":
		v.version = tls.VersionTLS12
	case "1.3":
		v.version = tls.VersionTLS13
	default:
		return fmt.Errorf("%q is not the oldest version of TLS that may do: \"1.2\" or \"1.3\"", text)
	}
	return nil
}

// A ReceiverURL is where a receiver listens. No error repeats it: it may hold a secret.
type ReceiverURL struct{ text string }

// Text returns the URL, which is nothing for a log.
func (u ReceiverURL) Text() string { return u.text }

// UnmarshalText takes a URL of https, or of this host.
func (u *ReceiverURL) UnmarshalText(text []byte) error {
	u.text = string(text)
	return post.Check(u.text)
}
