package keys

import (
	"crypto/elliptic"
	"errors"
	"strconv"

	"github.com/ThalesGroup/crypto11"
)

// generate makes a P-256 key of the reference's id and object in the token. It does
// so without package kms, whose CreateKey takes the word that there is no such key yet
// for a failure.
func (r *reference) generate() error {
	pin, err := r.pin()
	if err != nil {
		return err
	}
	config := &crypto11.Config{
		Path: r.path["module-path"], TokenLabel: r.path["token"], TokenSerial: r.path["serial"], Pin: pin, MaxSessions: 2,
	}
	if text := r.path["slot-id"]; text != "" {
		slot, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("slot-id is a number")
		}
		config.SlotNumber = &slot
	}
	token, err := crypto11.Configure(config)
	if err != nil {
		return err
	}
	_, err = token.GenerateECDSAKeyPairWithLabel([]byte(r.path["id"]), []byte(r.path["object"]), elliptic.P256())
	return errors.Join(err, token.Close())
}
