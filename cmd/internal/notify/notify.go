// Package notify tells the service manager how a program is doing, by the protocol of
// sd_notify(3): a datagram to the socket that $NOTIFY_SOCKET names. Where no manager
// asks, nothing is sent. It knows no other part of that protocol.
package notify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// A State is what sd_notify(3) calls an assignment.
type State string

const (
	Ready     State = "READY=1"     // requests are answered
	Reloading State = "RELOADING=1" // a reload has begun; [Ready] ends it
	Stopping  State = "STOPPING=1"  // no new requests are taken
)

// Send tells the manager, if getenv names one. An error is none of the program's work:
// it goes on, and the manager, who hears nothing, decides.
func Send(getenv func(string) string, s State) error {
	path := getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // "@name" is an abstract one
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second)) // a manager that does not read must not hold us up
	if _, err := conn.Write([]byte(string(s) + "\nMAINPID=" + strconv.Itoa(os.Getpid()) + "\n")); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}
