package peer

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Relay serves what this machine holds to its neighbours, as the CA does: for each
// issuer /crl/{issuer}/full.crl, delta.crl, stream and poll, and /chain.crl.pem. They
// name it in [Config.Relays].
//
// All bytes are the CA's, verified here and again by whoever takes them, so that
// plain HTTP will do, and nobody has to trust this machine. A list leaves as soon as
// it is in force here. Full lists are served from [Config.State], so that relaying
// costs no memory. The streams end with the Peer.
func (p *Peer) Relay() http.Handler {
	p.relaying.Store(true)
	for _, k := range p.held() {
		k.mu.Lock()
		if k.delta != nil {
			k.hub.Publish(k.delta)
		}
		k.mu.Unlock()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /crl/{issuer}/{file}", p.serveList)
	mux.HandleFunc("GET /chain.crl.pem", p.serveChain)
	return mux
}

func (p *Peer) serveList(w http.ResponseWriter, r *http.Request) {
	for _, k := range p.held() {
		if k.id != r.PathValue("issuer") || k.number() == 0 {
			continue
		}
		switch file := r.PathValue("file"); {
		case file == "full.crl":
			k.serveFull(w, r)
			return
		case k.root:
		case file == "delta.crl":
			k.serveDelta(w, r)
			return
		case file == "stream":
			k.hub.ServeSSE(w, r)
			return
		case file == "poll":
			k.hub.ServePoll(w, r)
			return
		}
	}
	http.NotFound(w, r)
}

// openFull opens the full list on disk, which is whole whatever comes after.
func (k *keeper) openFull() (*os.File, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, err := os.Open(k.path(full))
	return f, k.etag, err
}

func (k *keeper) serveFull(w http.ResponseWriter, r *http.Request) {
	f, etag, err := k.openFull()
	if err != nil {
		http.NotFound(w, r) // the disk is to blame: the next address has it
		return
	}
	defer f.Close()
	if etag != "" {
		w.Header().Set("Etag", etag)
	}
	k.header(w)
	http.ServeContent(w, r, "", time.Time{}, f)
}

func (k *keeper) serveDelta(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	e := k.delta
	k.mu.Unlock()
	if e == nil {
		http.NotFound(w, r)
		return
	}
	k.header(w)
	w.Write(e.DER()) // if the caller is gone, so be it
}

// header says what the CA does, but keeps copies from growing old on the way: a
// relay is near.
func (k *keeper) header(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/pkix-crl") // RFC 2585, Section 4.2
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(min(time.Minute, k.peer.conf.Heartbeat)/time.Second)))
}

// serveChain serves all full lists in PEM, those of intermediates before those of
// roots, as nginx, HAProxy and PostgreSQL want them in one file.
func (p *Peer) serveChain(w http.ResponseWriter, r *http.Request) {
	var lists []*os.File
	defer func() {
		for _, f := range lists {
			f.Close()
		}
	}()
	for _, root := range []bool{false, true} {
		for _, k := range p.held() {
			if k.root != root || k.number() == 0 {
				continue
			}
			f, _, err := k.openFull()
			if err != nil { // with a list less, such servers would refuse everyone
				http.Error(w, "not all lists are on disk", http.StatusServiceUnavailable)
				return
			}
			lists = append(lists, f)
		}
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Cache-Control", "no-cache")
	for _, f := range lists {
		der, err := readAll(f, p.conf.MaxList)
		if err != nil || pem.Encode(w, &pem.Block{Type: "X509 CRL", Bytes: der}) != nil {
			panic(http.ErrAbortHandler) // so that nobody takes a part for the whole
		}
	}
}
