package server

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/betonica/betonica/cmd/internal/deliver/mail"
	"github.com/betonica/betonica/store/audit/atna"
)

// A SyslogOutlet is [deliver.syslog]: an audit record repository, over TLS (IHE ITI-20,
// RFC 5425). It gets the whole trail.
type SyslogOutlet struct {
	OutletConfig
	ReceiverConfig
	// Address is host:port of the repository; RFC 5425's port is 6514. Required.
	Address ReceiverAddress `toml:"address"`
	// Format is what messages hold: "dicom", the audit messages of PS3.15, or "json".
	// Default "dicom".
	Format SyslogFormat `toml:"format"`
}

// syslogBatch is how many records go before the sink waits to see whether they are taken:
// its rate hangs on it.
const syslogBatch = 1000

// An AlertmanagerOutlet is [deliver.alertmanager]: Prometheus' Alertmanager. It gets alerts.
type AlertmanagerOutlet struct {
	OutletConfig
	ReceiverConfig
	// URL is what comes before /api/v2. Required.
	URL ReceiverURL `toml:"url"`
	// TokenFile has a bearer token. Default: none.
	TokenFile string `toml:"token_file"`
	// User and PasswordFile are for HTTP's Basic authentication. Default: none.
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
}

func (o *AlertmanagerOutlet) check() error {
	if o.User != "" && o.TokenFile != "" {
		return errors.New("deliver.alertmanager has a user and a token_file: Alertmanager takes one of the two")
	}
	return together("deliver.alertmanager", o.User, o.PasswordFile)
}

// A MailOutlet is [deliver.mail]: e-mail to people. It gets alerts.
type MailOutlet struct {
	OutletConfig
	ReceiverConfig
	// Server is host:port of a mail server that takes mail for the recipients. Required.
	Server ReceiverAddress `toml:"server"`
	// TLS is how it begins: "starttls", as at port 587, or "implicit", with the first
	// byte, as at port 465. Without TLS nothing is sent. Default "starttls".
	TLS MailTLS `toml:"tls"`
	// User and PasswordFile are for AUTH. Default: none.
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
	// From is whom mail is from, and To whom it is for, at most 100. Required.
	From MailAddress   `toml:"from"`
	To   []MailAddress `toml:"to"`
}

// Recipients returns whom mail is for.
func (o *MailOutlet) Recipients() (all []string) {
	for _, to := range o.To {
		all = append(all, to.text)
	}
	return all
}

func (o *MailOutlet) check() error {
	if n := len(o.To); n == 0 || n > 100 {
		return fmt.Errorf("deliver.mail.to has %d recipients; there must be from 1 to 100", n)
	}
	return together("deliver.mail", o.User, o.PasswordFile)
}

func together(table, user, file string) error {
	if (user == "") != (file == "") {
		return fmt.Errorf("%s.user and %s.password_file go together", table, table)
	}
	return nil
}

// A ReceiverAddress is host:port of somebody else's.
type ReceiverAddress struct{ text string }

func (a ReceiverAddress) String() string { return a.text }

// UnmarshalText takes a DNS name or an IP address, and a port.
func (a *ReceiverAddress) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = ParseName(host)
	}
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		return fmt.Errorf("%q is not the host:port of a receiver", text)
	}
	a.text = string(text)
	return nil
}

// A SyslogFormat is "dicom" or "json".
type SyslogFormat struct{ format atna.Format }

// Format returns it; empty, the default of the sink.
func (f SyslogFormat) Format() atna.Format { return f.format }

// UnmarshalText takes a format.
func (f *SyslogFormat) UnmarshalText(text []byte) error {
	f.format = atna.Format(text)
	if f.format != atna.DICOM && f.format != atna.JSON {
		return fmt.Errorf("%q is not a format of syslog messages: \"dicom\" or \"json\"", text)
	}
	return nil
}

// A MailTLS is "starttls" or "implicit".
type MailTLS struct{ implicit bool }

// Implicit says that TLS begins with the first byte.
func (m MailTLS) Implicit() bool { return m.implicit }

// UnmarshalText takes one of the two.
func (m *MailTLS) UnmarshalText(text []byte) error {
	switch string(text) {
	case "starttls", "implicit":
		m.implicit = string(text) == "implicit"
		return nil
	}
	return fmt.Errorf("%q is not how TLS begins: \"starttls\" or \"implicit\"", text)
}

// A MailAddress is an address of RFC 5322, with or without a name.
type MailAddress struct{ text string }

func (a MailAddress) String() string { return a.text }

// UnmarshalText takes one address.
func (a *MailAddress) UnmarshalText(text []byte) error {
	_, err := mail.Address(string(text))
	a.text = strings.TrimSpace(string(text))
	return err
}
