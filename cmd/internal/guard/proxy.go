package guard

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

// Of the PROXY protocol, version 2 (its specification, Sections 2.2 and 2.2.x).
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyCommand   = 0x21 // version 2, PROXY
	proxyTCP4      = 0x11
	proxyTCP6      = 0x21

	tlvUniqueID   = 0x05
	tlvSSL        = 0x20
	tlvSSLVersion = 0x21
	tlvSSLCN      = 0x22
	tlvSSLCipher  = 0x23
	tlvSPIFFE     = 0xe0 // the first of those that everyone may use as he likes

	sslClient = 0x01 | 0x02 | 0x04 // over TLS, with a certificate, on this connection and session
)

// proxyHeader tells an application who is behind a connection: from where and to where
// he connected, the common name of his certificate and, as type 0xE0, his SPIFFE ID;
// as unique id the name that records have for the connection.
func proxyHeader(l *gate.Link) []byte {
	from, to := addressOf(l.Conn.RemoteAddr()), addressOf(l.Conn.LocalAddr())
	body := []byte{}
	family := byte(0) // unspecified: neither end has an address
	switch {
	case from.Addr().Is4() && to.Addr().Is4():
		family = proxyTCP4
	case from.IsValid() && to.IsValid():
		family = proxyTCP6
		from, to = netip.AddrPortFrom(netip.AddrFrom16(from.Addr().As16()), from.Port()), netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
	}
	if family != 0 {
		body = append(body, from.Addr().AsSlice()...)
		body = append(body, to.Addr().AsSlice()...)
		body = binary.BigEndian.AppendUint16(body, from.Port())
		body = binary.BigEndian.AppendUint16(body, to.Port())
	}
	body = appendTLV(body, tlvUniqueID, []byte(l.Bond(nil).Link))
	body = appendTLV(body, tlvSPIFFE, []byte(l.Caller.ID.String()))
	if l.TLS != nil {
		ssl := []byte{sslClient, 0, 0, 0, 0} // verified
		ssl = appendTLV(ssl, tlvSSLVersion, []byte("TLSv1.3"))
		ssl = appendTLV(ssl, tlvSSLCipher, []byte(tls.CipherSuiteName(l.TLS.CipherSuite)))
		ssl = appendTLV(ssl, tlvSSLCN, []byte(l.Caller.Certificate.Subject.CommonName))
		body = appendTLV(body, tlvSSL, ssl)
	}
	head := append([]byte(proxySignature), proxyCommand, family)
	head = binary.BigEndian.AppendUint16(head, uint16(len(body)))
	return append(head, body...)
}

// appendTLV appends a value, which is shorter than 64 KiB.
func appendTLV(to []byte, kind byte, value []byte) []byte {
	to = append(to, kind)
	to = binary.BigEndian.AppendUint16(to, uint16(len(value)))
	return append(to, value...)
}

// addressOf returns the address of a TCP connection's end; invalid: it has none.
func addressOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}
