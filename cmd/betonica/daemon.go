package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/agent"
)

// sockets is where the admin socket is looked for, in this order, when nobody
// says where it is.
var sockets = []string{"admin.sock", "/run/betonica/admin.sock"}

// daemonFlags gives a command the flags by which it finds the daemon.
func daemonFlags(cmd *cobra.Command) {
	cmd.Flags().String("socket", "", "`path` of the daemon's admin socket")
	cmd.Flags().String("url", "", "`URL` of the daemon, with --dir")
	cmd.Flags().String("dir", "", "`directory` with your own certificate")
}

// connect returns a client of the daemon that cmd's flags, its environment or
// its directory names: the socket, unless a URL is named more explicitly.
func connect(cmd *cobra.Command) (*adminapi.Client, error) {
	flags := cmd.Flags()
	get := func(name string) string { return flags.Lookup(name).Value.String() }
	socket, url, dir := originOf(flags, "socket"), originOf(flags, "url"), originOf(flags, "dir")
	switch {
	case socket == fromFlag && (url == fromFlag || dir == fromFlag):
		return nil, usagef("--socket is one way to the daemon, --url and --dir are another: give one")
	case url == fromFlag, dir == fromFlag, url > socket && get("dir") != "":
		return connectTLS(get("url"), get("dir"))
	case socket > fromDefault:
		return adminapi.Unix(get("socket")), nil
	}
	for _, path := range sockets {
		if _, err := os.Stat(path); err == nil {
			return adminapi.Unix(path), nil
		}
	}
	return nil, &advice{
		fmt.Errorf("%w: there is no socket at %s or %s", adminapi.ErrUnreachable, sockets[0], sockets[1]),
		"run it where the daemon runs, name its socket with --socket or $BETONICA_SOCKET, or use --url with --dir",
	}
}

// connectTLS presents the certificate in dir; its CA's URL is the default.
func connectTLS(url, dir string) (*adminapi.Client, error) {
	if dir == "" {
		return nil, usagef("--url needs --dir, the directory with your own certificate")
	}
	conf := agent.Config{Dir: dir}
	if err := ownKeys(&conf); err != nil {
		return nil, err
	}
	own, err := agent.LoadWith(dir, conf.Keys)
	if err != nil {
		return nil, advise(err, "betonica enroll --url URL --token-file FILE --out "+dir, exitNotFound)
	}
	if url == "" {
		url = own.URL
	}
	return adminapi.New(url, own.Trust().TLSConfig(&own.Certificate)), nil
}
