package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/betonica/betonica/store"
)

// livez says that the process answers: whoever kills daemons that do not, needs
// to know no more.
func livez(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "ok")
}

// readyz says whether certificates can be issued and revocations heard of, and if
// not, why: a line for each trouble, "name: what is wrong; what to do", as
// [store.Trouble] has them. The errors behind them are in the log: they may name
// hosts and files, and this is a page for monitors.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	troubles := store.Troubles(s.Ready())
	if len(troubles) == 0 {
		plain(w, http.StatusOK, "ok")
		return
	}
	lines := make([]string, len(troubles))
	for i, t := range troubles {
		lines[i] = t.String()
	}
	plain(w, http.StatusServiceUnavailable, strings.Join(lines, "\n"))
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
