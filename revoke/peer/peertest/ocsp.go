package peertest

import (
	"io"
	"net/http"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
)

// answerLife is how long an OCSP answer is good.
const answerLife = time.Minute

func (c *CA) serveOCSP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, ocsp.MaxRequest+1)) // a part does not parse
	asked, err := ocsp.ParseRequest(body, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, i := range c.all() {
		who, err := ocsp.NewIssuer(i.cert)
		check(c.tb, err)
		if !who.Issued(asked.IDs[0]) {
			continue
		}
		responder, err := ocsp.NewResponder(i.cert, i.key)
		check(c.tb, err)
		der, err := responder.Sign(c.answer(i, asked))
		check(c.tb, err)
		w.Header().Set("Content-Type", ocsp.ResponseType)
		w.Write(der)
		return
	}
	http.Error(w, "of another CA", http.StatusForbidden)
}

func (c *CA) answer(i *issuer, asked *ocsp.Request) ocsp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	out := ocsp.Response{ProducedAt: now, Nonce: asked.Nonce}
	for _, id := range asked.IDs {
		one := ocsp.SingleResponse{ID: id, Status: ocsp.NeverIssued, ThisUpdate: now, NextUpdate: now.Add(answerLife)}
		serial, err := crl.SerialOf(id.Serial())
		e, revoked := i.entry(serial)
		switch {
		case err != nil:
		case revoked:
			one.Status, one.RevokedAt, one.Reason = ocsp.Revoked, e.RevokedAt, int(e.Reason)
		case i.issued[serial]:
			one.Status = ocsp.Good
		}
		out.Responses = append(out.Responses, one)
	}
	return out
}
