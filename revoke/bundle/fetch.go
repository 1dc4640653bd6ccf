package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	maxBundle      = 512 << 20 // bytes of PEM: seven million entries
	maxDelta       = 64 << 20  // bytes
	maxCertificate = 64 << 10
	fetchFor       = 5 * time.Minute
)

// errSame: nothing changed since the last time.
var errSame = errors.New("304")

// refresh makes the file say what the CA does.
func (k *Keeper) refresh(ctx context.Context) error {
	var wrong []error
	if !k.loaded { // not to fall behind what the last run wrote
		text, err := os.ReadFile(k.conf.Path)
		switch {
		case err == nil:
			if err := k.take(ctx, text, k.known()); err != nil {
				k.troubles.tell(ctx, "reading "+k.conf.Path, err)
			}
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
		k.loaded = true
	}
	base, err := k.conf.base(k.tries)
	if err != nil {
		return err
	}
	if base != k.from {
		k.etag, k.from = "", base
	}
	text, etag, err := k.get(ctx, base+"/chain.crl.pem", k.etag, maxBundle)
	switch {
	case err == nil:
		k.etag = etag
		if err := k.take(ctx, text, k.known()); err != nil {
			k.etag = "" // look at it again
			wrong = append(wrong, err)
		}
	case !errors.Is(err, errSame):
		wrong = append(wrong, err)
	}
	k.forget()
	k.follow(ctx)
	if err := k.write(); err != nil {
		k.etag = ""
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// forget drops the lists of CAs whose certificates are over: no server accepts
// what they issued.
func (k *Keeper) forget() {
	now := k.conf.Now()
	for id, h := range k.held {
		if now.After(h.issuer.NotAfter) {
			delete(k.held, id)
			delete(k.newest, id)
		}
	}
}

// get fetches a file of the CA's, of at most most bytes, and its ETag; errSame if it
// still has the one given.
func (k *Keeper) get(ctx context.Context, url, etag string, most int64) ([]byte, string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Cache-Control", "no-cache") // a proxy's copy may be of before the revocation
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := k.conf.HTTP.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	switch {
	case etag != "" && resp.StatusCode == http.StatusNotModified:
		return nil, "", errSame
	case resp.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, "", fmt.Errorf("GET %s: %w", url, err)
	}
	if int64(len(body)) > most {
		return nil, "", fmt.Errorf("GET %s: more than %d bytes", url, most)
	}
	return body, resp.Header.Get("ETag"), nil
}
