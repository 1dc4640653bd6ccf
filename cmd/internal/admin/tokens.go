package admin

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/netip"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

func (a *Admin) createToken(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.TokenRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	req := enroll.TokenRequest{
		Role: in.Role, Name: in.Name, TTL: time.Duration(in.TTL), Uses: in.Uses, Replace: in.Replace, Owner: in.Owner, EAB: in.EAB,
	}
	var err error
	if in.Network != "" {
		if req.Network, err = netip.ParsePrefix(in.Network); err != nil {
			return malformed("network %.60q is not of the form 10.0.0.0/8", in.Network)
		}
	}
	if in.SPKI != "" {
		if req.SPKI, err = readSPKI(in.SPKI); err != nil {
			return err
		}
	}
	by.Reason = in.Reason
	secret, err := a.Registrar.CreateToken(r.Context(), by, req)
	if err != nil {
		return err
	}
	record, err := a.Store.Token(r.Context(), store.TokenID(secret.ID()))
	if err != nil {
		return err
	}
	out := adminapi.NewToken{Token: tokenOf(record), Secret: secret.String()}
	if in.EAB {
		out.KID, out.HMACKey = record.ID.String(), base64.RawURLEncoding.EncodeToString(secret.Secret[:])
	}
	return reply(w, http.StatusCreated, out)
}

func (a *Admin) listTokens(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "role", "name", "open")
	if err != nil {
		return err
	}
	open, err := flag(q, "open")
	if err != nil {
		return err
	}
	records, next, err := a.Store.Tokens(r.Context(), store.TokenFilter{Role: q.Get("role"), Name: q.Get("name"), Open: open}, page)
	if err != nil {
		return err
	}
	return replyPage(w, records, next, func(t store.Token) (adminapi.Token, error) { return tokenOf(t), nil })
}

func (a *Admin) revokeToken(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := store.ParseTokenID(r.PathValue("id"))
	if err != nil {
		return malformed("a token's id has 32 hex digits")
	}
	if err := a.Registrar.RevokeToken(r.Context(), by, id); err != nil {
		return found(err, "token "+id.String())
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func tokenOf(t store.Token) adminapi.Token {
	out := adminapi.Token{
		ID: t.ID.String(), Role: t.Role, Name: t.Name, Pattern: !t.Exact, Uses: t.Uses, MaxUses: t.MaxUses,
		Created: t.Created, CreatedBy: t.CreatedBy, Expires: t.Expires, Revoked: t.Revoked,
		Replace: t.Replace, Owner: t.Owner, SPKI: hex.EncodeToString(t.SPKI), EAB: len(t.Sealed) > 0,
	}
	if t.Network.IsValid() {
		out.Network = t.Network.String()
	}
	return out
}

func readSPKI(text string) (*[32]byte, error) {
	var spki [32]byte
	if n, err := hex.Decode(spki[:], []byte(text[:min(len(text), hex.EncodedLen(len(spki)))])); err != nil || n != len(spki) || len(text) != hex.EncodedLen(n) {
		return nil, malformed("spki is the SHA-256 of a public key, in 64 hex digits")
	}
	return &spki, nil
}
