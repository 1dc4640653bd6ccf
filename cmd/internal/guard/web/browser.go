package web

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Why a request beside a client is refused before anybody judges it.
const (
	otherSite = "page of another site"
	otherHost = "host is none of this listener's"
)

// foreign says what shows that a request beside a client is not of a program that means
// this machine to ask, but of a page in some browser of it; "": nothing does. A page of
// another site is known by Fetch Metadata and by its Origin (RFC 6454), and one whose name
// was made to point here (DNS rebinding) by the Host, which is then that name. A Unix socket
// is out of a browser's reach.
func (g *Gate) foreign(local net.Addr, r *http.Request) (why string) {
	here, ok := local.(*net.TCPAddr)
	if !ok {
		return ""
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" { // none: a person typed the address
			return otherSite
		}
	}
	for _, origin := range r.Header["Origin"] {
		if !strings.EqualFold(origin, "http://"+r.Host) {
			return otherSite
		}
	}
	if r.Host != "" && !g.calledSo(here.IP, hostOf(r.Host)) { // without one it is of HTTP/1.0, which no browser speaks
		return otherHost
	}
	return ""
}

// calledSo reports whether a listener at an address goes by a name.
func (g *Gate) calledSo(here net.IP, name string) bool {
	if name == "" {
		return false
	}
	if ip := net.ParseIP(name); ip != nil && (ip.IsLoopback() || ip.Equal(here)) {
		return true
	}
	return name == "localhost" || name == hostOf(g.conf.Host) ||
		slices.ContainsFunc(g.conf.Hosts, func(own string) bool { return hostOf(own) == name })
}

// hostOf returns a Host without its port, as names are compared.
func hostOf(host string) string {
	return strings.TrimSuffix(strings.ToLower((&url.URL{Host: host}).Hostname()), ".")
}
