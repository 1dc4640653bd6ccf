package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/betonica/betonica/enroll/api"
)

// checkpoint answers GET /v1/checkpoint?since=SIZE with the log's newest signed
// checkpoint, and the proof that the log of SIZE entries is its beginning. It is
// for whoever wants to hold us to it, with or without a certificate. Machines ask it
// a few times a day, with theirs: that is how they learn of a rotation.
func (s *Server) checkpoint(w http.ResponseWriter, r *http.Request) error {
	var since int64
	if text := r.URL.Query().Get("since"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return &api.BadRequestError{Status: http.StatusBadRequest, Detail: "since is the size of a checkpoint"}
		}
		since = n
	}
	c, err := s.Registrar.Checkpoint(r.Context(), since)
	if err != nil {
		return err
	}
	if c == nil {
		return errNoCheckpoint
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		// Whose it is does not matter: it is advice about nothing secret.
		if held := r.TLS.PeerCertificates[0]; s.Registrar.Move().Asks(held) {
			c.RenewAfter = s.Registrar.RenewAfter(held)
		}
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a checkpoint: %w", err)
	}
	w.Header().Set("Content-Type", api.MediaJSON)
	w.Write(append(body, '\n')) // if the caller is gone, so be it
	return nil
}
