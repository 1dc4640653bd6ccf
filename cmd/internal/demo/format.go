package demo

import (
	"fmt"
	"net"
	"time"
)

// short writes a duration for a person: 47 ms, 1.3 s.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// days writes a certificate's lifetime: 24 h, 7 d.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

// port is that of host:port.
func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
