package enroll

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Bounds of those who wait for a person. A stranger can fill the queue of his network,
// with all of a site's a quarter of that of a role, and with many that of a role; never
// more, nor for longer than a day.
const (
	askTime      = 24 * time.Hour // that a request waits before it lapses
	approvedTime = time.Hour      // at least, that an approved machine has to come back

	maxWaitingNetwork = 16
	maxWaitingSite    = 250
	maxWaitingRole    = 1000
	maxAskCSR         = 8 << 10 // bytes: ten times what a device sends
)

// asking is a machine's wish for a person's approval.
type asking struct {
	req      ca.Request
	csr      []byte // PEM or DER
	role     string // asked for, or that of what else it has shown
	identity string // path that what else it has shown is of; "": none
	proofs   string // what else it has shown, for people to read; "": nothing
	from     netip.Addr
}

// approval returns the proof that a person has approved the key that asks, if one has.
// It returns a [*PendingError] while nobody has decided, and puts the request on record
// if there is none yet; a [*ca.DeniedError] if somebody denied it, or policy admits nobody
// so; and a [*QueueError] if too many wait. All of these are on record already.
func (r *Registrar) approval(ctx context.Context, q asking) (*approvalProof, error) {
	if err := r.mayAsk(q); err != nil {
		return nil, r.refuseAsking(ctx, reasonOf(err), q, "", err)
	}
	for range tries {
		found, err := r.store.RequestByKey(ctx, q.req.SPKI())
		if err == nil && !found.Lapsed(r.now()) {
			return r.decided(ctx, q, found)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err := r.mayWait(ctx, q); err != nil {
			return nil, err
		}
		opened, err := r.open(ctx, q)
		if err == nil {
			return nil, r.pending(opened)
		}
		if !errors.Is(err, store.ErrQueueFull) {
			return nil, err
		} // somebody was faster, by this key or with others: look again
	}
	return nil, store.ErrStale
}

// Asked returns the request that waits, or has waited, for approval of the public key with
// this SHA-256, or [ErrNotAsked]. It is for protocols whose clients send it once and then
// ask what became of it.
func (r *Registrar) Asked(ctx context.Context, key [32]byte) ([]byte, error) {
	found, err := r.store.RequestByKey(ctx, key)
	if errors.Is(err, store.ErrNotFound) || err == nil && found.Lapsed(r.now()) {
		return nil, ErrNotAsked
	}
	return found.CSR, err
}

// mayAsk refuses whoever no person could approve. A role that is not there, and one that
// admits nobody so, are not told apart.
func (r *Registrar) mayAsk(q asking) error {
	if q.role == "" {
		return badRequest("who asks for approval says which role it wants: role is missing")
	}
	if len(q.csr) > maxAskCSR {
		return &ca.RequestError{Reason: fmt.Sprintf("longer than the %d bytes that a person is asked about", maxAskCSR)}
	}
	role, ok := r.Policies.Current().Role(q.role)
	switch {
	case !ok || !approvable(role):
		return &ca.DeniedError{Reason: "there is no such role that a person could approve it for"}
	case len(role.Networks) > 0 && !slices.ContainsFunc(role.Networks, func(n netip.Prefix) bool { return n.Contains(q.from.Unmap().WithZone("")) }):
		return &ca.DeniedError{Rule: role.Name, Reason: fmt.Sprintf("source address %s is not covered", q.from)}
	}
	return nil
}

// approvable reports whether one person may say who gets into the role. Nobody may for
// those who manage others.
func approvable(role ca.Role) bool {
	return slices.Contains(role.Methods, ca.MethodApproval) && !ca.Privileged(role.Name) && role.Name != ca.RoleCA
}

// mayWait refuses a request that could come to nothing, or that there is no room for: so
// that it costs no write.
func (r *Registrar) mayWait(ctx context.Context, q asking) error {
	prior, err := r.byKey(ctx, q.req.SPKI())
	if err != nil {
		return err
	}
	if prior != nil {
		return r.refuseAsking(ctx, ReasonKey, q, "", store.ErrKeyTaken)
	}
	network, err := r.store.NetworkQueue(ctx, askNetwork(q.from))
	if err != nil {
		return err
	}
	if network.Waiting >= maxWaitingNetwork {
		return r.refuseAsking(ctx, ReasonNetworkQueue, q, "", r.full("of its network", network))
	}
	site, err := r.store.SiteQueue(ctx, askNetwork(q.from))
	if err != nil {
		return err
	}
	if site.Waiting >= maxWaitingSite {
		return r.refuseAsking(ctx, ReasonNetworkQueue, q, "", r.full("of its site's networks", site))
	}
	role, err := r.store.RoleQueue(ctx, q.role)
	if err != nil {
		return err
	}
	if role.Waiting >= maxWaitingRole {
		return r.refuseAsking(ctx, ReasonRoleQueue, q, "", r.full("for its role", role))
	}
	return nil
}

// Waiting returns how many machines wait for approval, in each role that has it.
func (r *Registrar) Waiting(ctx context.Context) (map[string]int, error) {
	policy, waiting := r.Policies.Current(), map[string]int{}
	for _, name := range policy.Roles() {
		if role, ok := policy.Role(name); ok && approvable(role) {
			queue, err := r.store.RoleQueue(ctx, name)
			if err != nil {
				return nil, err
			}
			waiting[name] = queue.Waiting
		}
	}
	return waiting, nil
}

// full is what somebody is told who finds a queue full: to come back when a person may
// have looked, and never later than when the first of them lapses.
func (r *Registrar) full(whose string, q store.Queue) error {
	return &QueueError{whose: whose, waiting: q.Waiting, RetryAfter: min(max(q.First.Sub(r.now()), time.Minute), 15*time.Minute)}
}

// open puts the request on record. The nonce is drawn here, and once: whoever picked the
// key did not know it.
func (r *Registrar) open(ctx context.Context, q asking) (store.Request, error) {
	spki, err := x509.MarshalPKIXPublicKey(q.req.PublicKey())
	if err != nil {
		return store.Request{}, err
	}
	record := store.Request{
		SPKI: q.req.SPKI(), CSR: q.csr, Nonce: make([]byte, api.NonceSize),
		Role: q.role, Network: askNetwork(q.from), Address: address(q.from), Proofs: q.proofs, Identity: q.identity,
		Expires: r.now().Add(askTime), State: store.RequestWaiting,
	}
	rand.Read(record.ID[:])
	rand.Read(record.Nonce)
	record.Code = api.Code(spki, record.Nonce)
	err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		record.Created = tx.Now()
		tx.InsertRequest(record, maxWaitingNetwork, maxWaitingSite, maxWaitingRole)
		return requestEvent(ctx, "request.create", stranger, q.from, record)
	})
	if err != nil {
		return store.Request{}, err
	}
	r.log.InfoContext(ctx, "waits for approval", "asks", record.ID.String(), "code", record.Code, "role", record.Role, "request", RequestID(ctx))
	return record, nil
}

// decided says what a person has made of the request.
func (r *Registrar) decided(ctx context.Context, q asking, found store.Request) (*approvalProof, error) {
	if found.Role != q.role {
		return nil, r.refuseAsking(ctx, ReasonPolicy, q, found.ID.String(), &ca.DeniedError{Reason: "with this key it has asked for another role"})
	}
	switch found.State {
	case store.RequestWaiting:
		return nil, r.pending(found)
	case store.RequestDenied:
		return nil, r.refuseAsking(ctx, ReasonDenied, q, found.ID.String(), &ca.DeniedError{Rule: q.role, Reason: "a person denied it"})
	}
	if found.State == store.RequestApproved {
		if why := asksForMore(q.req, found.CSR); why != "" {
			return nil, r.refuseAsking(ctx, ReasonPolicy, q, found.ID.String(), &ca.DeniedError{Rule: q.role, Reason: why})
		}
	}
	p := &approvalProof{r: r, request: found}
	if found.State == store.RequestUsed {
		prior, err := r.byKey(ctx, q.req.SPKI())
		if err != nil {
			return nil, err
		}
		if !p.bought(prior) {
			return nil, r.refuseAsking(ctx, ReasonKey, q, found.ID.String(), store.ErrKeyTaken)
		}
	}
	return p, p.read(ctx)
}

// asksForMore says which name a request has that the one of the same key had not which a
// person has looked at, or "".
func asksForMore(req ca.Request, csr []byte) string {
	seen, err := ca.ParseRequest(csr)
	if err != nil {
		return "the request that was approved cannot be read any more"
	}
	for _, name := range req.DNSNames() {
		if !slices.Contains(seen.DNSNames(), name) {
			return fmt.Sprintf("DNS name %q was not in the request that was approved", name)
		}
	}
	for _, ip := range req.IPs() {
		if !slices.Contains(seen.IPs(), ip) {
			return fmt.Sprintf("IP address %s was not in the request that was approved", ip)
		}
	}
	return ""
}

// pending is what somebody is told whose request waits.
func (r *Registrar) pending(q store.Request) error {
	return &PendingError{ID: q.ID, Nonce: q.Nonce, Code: q.Code, RetryAfter: pollAfter(q, r.now()), Expires: q.Expires}
}

const (
	minPoll = 5 * time.Second
	maxPoll = 10 * time.Minute
)

// pollAfter returns how long a machine waits before it asks again: at first not long,
// for somebody may stand beside it, then longer and longer. It is spread over half as
// much again, and each machine has its own place in that.
func pollAfter(q store.Request, now time.Time) time.Duration {
	wait := min(max(now.Sub(q.Created)/8, minPoll), maxPoll)
	return (wait + time.Duration(fraction(q.ID[:8])*float64(wait/2))).Round(time.Second)
}

// askNetwork is what counts as one network of those who ask: an IPv4 /24, or an IPv6 /64.
// That is one of 65,536 of the /48 which a site is given (RFC 6177, Section 2), and is
// called so: "2001:db8::/48 0001".
func askNetwork(from netip.Addr) string {
	from = from.Unmap().WithZone("")
	bits := 48
	if from.Is4() {
		bits = 24
	}
	network, err := from.Prefix(bits)
	switch {
	case err != nil:
		return ""
	case from.Is4():
		return network.String()
	}
	part := from.As16()
	return fmt.Sprintf("%s %x", network, part[6:8])
}

// refuseAsking records that a machine does not even wait, or was denied, through the
// queue for strangers, and returns err. A request that could not be read is nobody's
// business.
func (r *Registrar) refuseAsking(ctx context.Context, reason Reason, q asking, id string, err error) error {
	if _, ok := errors.AsType[*api.BadRequestError](err); ok {
		return err
	}
	spki := q.req.SPKI()
	e := audit.Event{
		Action: "request.refuse", Actor: stranger, Address: address(q.from), Outcome: err.Error(), RequestID: RequestID(ctx),
		Detail: map[string]any{"spki": hex.EncodeToString(spki[:]), "reason": string(reason)},
	}
	if id != "" {
		e.Subject = "request:" + id
	}
	if q.proofs != "" {
		e.Detail["proofs"] = q.proofs
	}
	r.tally.refuse(reason)
	r.refusals.add(e)
	return err
}

// requestEvent is what becomes of a request.
func requestEvent(ctx context.Context, action, actor string, from netip.Addr, q store.Request) audit.Event {
	detail := map[string]any{"request": q.ID.String(), "spki": hex.EncodeToString(q.SPKI[:]), "code": q.Code, "role": q.Role, "asked_from": q.Address}
	if q.Proofs != "" {
		detail["proofs"] = q.Proofs
	}
	return audit.Event{
		Action: action, Actor: actor, Subject: "request:" + q.ID.String(), Address: address(from), Outcome: "ok",
		RequestID: RequestID(ctx), Detail: detail,
	}
}
