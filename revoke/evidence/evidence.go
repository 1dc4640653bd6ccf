package evidence

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

// maxLists bounds how many lists of one issuer are held: a full one, and deltas.
const maxLists = 16

// What keeps a list from being evidence.
var (
	// ErrForeign: none of the issuers signed it.
	ErrForeign = errors.New("no intermediate of this CA signed it")
	// ErrPartial: it says nothing about some of the issuer's certificates.
	ErrPartial = errors.New("it is a shard, which covers a part of the certificates: give the full list")
)

// Evidence is lists of some issuers. It is for one goroutine.
type Evidence struct {
	issuers []*x509.Certificate
	now     func() time.Time
	of      map[string][]*crl.List // by issuer, in the order of their numbers
}

// New returns what is known of these issuers before any list was seen: nothing. They
// are all intermediates that ever were, since a list of one that does not issue any more
// counts too.
func New(now func() time.Time, issuers ...*x509.Certificate) *Evidence {
	return &Evidence{issuers: issuers, now: now, of: map[string][]*crl.List{}}
}

// Trust adds an issuer.
func (e *Evidence) Trust(issuer *x509.Certificate) { e.issuers = append(e.issuers, issuer) }

// ID is how lists are told apart: the issuer's key identifier, in hex.
func ID(issuer *x509.Certificate) string { return hex.EncodeToString(issuer.SubjectKeyId) }

// Open verifies a list in DER before it looks at anything that it says. Errors wrap
// [ErrForeign], [ErrPartial] or [crl.ErrAhead], or say why it is no list.
func (e *Evidence) Open(der []byte) (*x509.Certificate, *crl.List, error) {
	var why error = ErrForeign
	for _, issuer := range e.issuers {
		list, err := crl.Open(der, issuer)
		switch {
		case errors.Is(err, crl.ErrSignature), errors.Is(err, crl.ErrIssuer):
			continue
		case err != nil:
			return nil, nil, err
		case list.Scope() != nil:
			return nil, nil, ErrPartial
		case list.ThisUpdate().After(e.now().Add(crl.MaxAhead)):
			return nil, nil, fmt.Errorf("%w: it was made at %s, and the clock says %s", crl.ErrAhead, list.ThisUpdate().Format(time.RFC3339), e.now().UTC().Format(time.RFC3339))
		}
		return issuer, list, nil
	}
	return nil, nil, why
}

// Add takes a list in DER. It reports whether it says something that was not known; the
// errors are those of [Evidence.Open].
func (e *Evidence) Add(der []byte) (news bool, err error) {
	issuer, list, err := e.Open(der)
	if err != nil {
		return false, err
	}
	id := ID(issuer)
	held := e.of[id]
	at, known := slices.BinarySearchFunc(held, list, compare)
	if known || list.Number() < newestFull(held) { // what is older than a full list says nothing more
		return false, nil
	}
	held = slices.Insert(held, at, list)
	full := newestFull(held)
	held = slices.DeleteFunc(held, func(l *crl.List) bool { return l.Number() < full })
	if len(held) > maxLists {
		held = slices.Delete(held, 1, 2) // neither what it begins with nor the newest
	}
	e.of[id] = held
	return true, nil
}

func compare(a, b *crl.List) int {
	switch {
	case a.Number() != b.Number():
		return int(min(max(a.Number()-b.Number(), -1), 1))
	case a.IsDelta() == b.IsDelta():
		return int(min(max(a.Base()-b.Base(), -1), 1))
	case a.IsDelta():
		return 1
	}
	return -1
}

func newestFull(lists []*crl.List) (number int64) {
	for _, l := range lists {
		if !l.IsDelta() {
			number = max(number, l.Number())
		}
	}
	return number
}

// AddFile takes what a file holds: a list in DER, or any number in PEM, as in
// chain.crl.pem. Lists of the root are passed over. It returns the number of lists that
// were taken, and an error if one of the others is not evidence, or there is no list.
func (e *Evidence) AddFile(text []byte, root *x509.Certificate) (n int, err error) {
	if !bytes.Contains(text, []byte("-----BEGIN ")) {
		return e.addUnlessRoot(text, root)
	}
	lists := 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			continue
		}
		one, err := e.addUnlessRoot(block.Bytes, root)
		if err != nil {
			return n, err
		}
		n, lists = n+one, lists+1
	}
	if lists == 0 {
		return 0, errors.New("it holds no revocation list")
	}
	return n, nil
}

func (e *Evidence) addUnlessRoot(der []byte, root *x509.Certificate) (n int, err error) {
	if _, err = e.Add(der); err == nil {
		return 1, nil
	}
	if _, other := crl.Open(der, root); errors.Is(err, ErrForeign) && other == nil {
		return 0, nil
	}
	return 0, err
}

// Number returns the greatest number that is proved to have been signed, of any issuer:
// they draw from one sequence. 0: no list is known.
func (e *Evidence) Number() (number int64) {
	for _, lists := range e.of {
		number = max(number, lists[len(lists)-1].Number())
	}
	return number
}

// Of returns the lists of an issuer, in the order of their numbers.
func (e *Evidence) Of(issuer *x509.Certificate) []*crl.List { return e.of[ID(issuer)] }
