package enroll

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// An ImportLine is a device as a list of what was bought has it.
type ImportLine struct {
	Serial string // that the manufacturer gave it: printable, at most 128 bytes
	Name   string // of its identity; empty: the serial number
	Owner  string // who answers for it, at most 256 bytes
	Site   string // where it stands, at most 256 bytes
	EK     string // SHA-256 of its endorsement key's SubjectPublicKeyInfo, in hex; empty: none
	// DNSNames and IPs are as of an [IdentityRequest].
	DNSNames []string
	IPs      []netip.Addr
}

// An ImportStatus is what became of a line.
type ImportStatus string

// What becomes of a line.
const (
	Imported  ImportStatus = "imported"  // its device is on record now, and its identity, pending, if it was not
	Unchanged ImportStatus = "unchanged" // all of it was there
	Differs   ImportStatus = "differs"   // what is there is otherwise, and stays as it is
	Refused   ImportStatus = "refused"
)

// An ImportResult is what became of one line, and why.
type ImportResult struct {
	Status   ImportStatus
	Identity string // path; empty: it would have none
	Detail   string // how it differs, or why it is refused
}

const (
	maxDeviceSerial = 128 // bytes
	maxSite         = 256 // bytes
)

// Import puts devices of a role on record, each with its identity and an event of its
// own in one transaction; many of these share a commit. Results come in the order of
// the lines: what one lacks does not keep the others out. Nothing that is there is
// changed, but an identity without owner or site gets those; so it may be done again.
// An error ends it, and the lines before may be on record. It returns a
// [*ca.DeniedError] if the actor may not manage the role, or there is none.
func (r *Registrar) Import(ctx context.Context, by Actor, role string, lines []ImportLine, dryRun bool) ([]ImportResult, error) {
	if _, ok := r.Policies.Current().Role(role); !ok {
		return nil, r.refuseActor(ctx, by, role, &ca.DeniedError{Reason: fmt.Sprintf("there is no role %.64q", role)})
	}
	if ca.Privileged(role) {
		return nil, r.refuseActor(ctx, by, role, &ca.DeniedError{Rule: role, Reason: "people are in no inventory"})
	}
	if err := r.mayManage(ctx, by, role, role); err != nil {
		return nil, err
	}
	results := make([]ImportResult, len(lines))
	errs := make([]error, len(lines))
	for _, round := range importRounds(lines) {
		var all sync.WaitGroup
		for _, i := range round {
			all.Go(func() { results[i], errs[i] = r.importLine(ctx, by, role, lines[i], dryRun) })
		}
		all.Wait()
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return results, nil
}

// importRounds puts lines that speak of the same device, identity or key one after the
// other, and the rest beside each other.
func importRounds(lines []ImportLine) (rounds [][]int) {
	left := make([]int, len(lines))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		var round, later []int
		taken := map[string]bool{}
		for _, i := range left {
			keys := []string{"serial " + lines[i].Serial, "name " + lines[i].name()}
			if lines[i].EK != "" {
				keys = append(keys, "ek "+strings.ToLower(lines[i].EK))
			}
			if slices.ContainsFunc(keys, func(k string) bool { return taken[k] }) {
				later = append(later, i)
			} else {
				round = append(round, i)
			}
			for _, k := range keys {
				taken[k] = true
			}
		}
		rounds, left = append(rounds, round), later
	}
	return rounds
}

func (l ImportLine) name() string {
	if l.Name == "" {
		return l.Serial
	}
	return l.Name
}

// importLine does one line. Another who imports the same at once may be first: then it
// is looked at again.
func (r *Registrar) importLine(ctx context.Context, by Actor, role string, l ImportLine, dryRun bool) (ImportResult, error) {
	v, id, err := r.newDevice(role, l)
	if err != nil {
		return ImportResult{Status: Refused, Detail: err.Error()}, nil
	}
	for {
		result, exists, err := r.judgeDevice(ctx, v, id)
		if err != nil || result.Status != Imported || dryRun {
			return result, err
		}
		err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
			if exists {
				tx.FillIdentity(id.Path, id.Owner, id.Site)
			} else {
				tx.CreateIdentity(id)
			}
			tx.InsertDevice(v)
			return by.event(ctx, tx, "identity.import", id.Path, map[string]any{
				"serial": v.Serial, "owner": v.Owner, "site": v.Site, "ek": hex.EncodeToString(v.EK), "dns": id.DNSNames, "ips": id.IPs,
			})
		})
		if err == nil || !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrStale) {
			return result, err
		}
		if err := ctx.Err(); err != nil {
			return ImportResult{}, err
		}
	}
}

// newDevice returns what a line puts on record. Its error is for whoever wrote it.
func (r *Registrar) newDevice(role string, l ImportLine) (v store.Device, id store.Identity, err error) {
	for _, part := range []struct {
		what, text string
		most       int
	}{{"serial", l.Serial, maxDeviceSerial}, {"owner", l.Owner, maxOwner}, {"site", l.Site, maxSite}} {
		if err := checkText(part.text, part.most); err != nil {
			return v, id, fmt.Errorf("%s: %w", part.what, err)
		}
	}
	if l.Serial == "" {
		return v, id, errors.New("serial: it is empty")
	}
	if err := r.Policies.Current().AllowsName(role, l.name()); err != nil {
		if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
			err = errors.New(denied.Reason)
		}
		return v, id, fmt.Errorf("name: %w", err)
	}
	id = store.Identity{Path: role + "/" + l.name(), Role: role, Name: l.name(), Owner: l.Owner, Site: l.Site, State: store.Pending}
	if id.DNSNames, id.IPs, err = namesOnRecord(l.DNSNames, l.IPs); err != nil {
		return v, id, err
	}
	v = store.Device{Role: role, Serial: l.Serial, Identity: id.Path, Owner: l.Owner, Site: l.Site}
	if l.EK != "" {
		if v.EK, err = hex.DecodeString(l.EK); err != nil || len(v.EK) != 32 {
			return v, id, errors.New("ek_sha256: want the 64 hexadecimal digits of a SHA-256")
		}
	}
	return v, id, nil
}

// checkText refuses what a terminal or a page may act on.
func checkText(text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("it is longer than %d bytes", most)
	case !utf8.ValidString(text):
		return errors.New("it is not UTF-8")
	case strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }):
		return errors.New("it holds a character that cannot be printed")
	case strings.TrimSpace(text) != text:
		return errors.New("it begins or ends with a space")
	}
	return nil
}

// judgeDevice says what would become of a device, and whether its identity is there.
func (r *Registrar) judgeDevice(ctx context.Context, v store.Device, id store.Identity) (result ImportResult, exists bool, err error) {
	result = ImportResult{Status: Imported, Identity: id.Path}
	has, err := r.store.Identity(ctx, id.Path)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ImportResult{}, false, err
	}
	exists = err == nil
	is, err := r.store.Device(ctx, v.Role, v.Serial)
	switch {
	case err == nil:
		if has, err = r.store.Identity(ctx, is.Identity); err != nil {
			return ImportResult{}, false, err
		}
		result.Status, result.Identity, result.Detail = Unchanged, is.Identity, differences(is, has, v, id)
	case !errors.Is(err, store.ErrNotFound):
		return ImportResult{}, false, err
	case exists && (has.State == store.Revoked || has.State == store.Retired):
		result.Status, result.Detail = Refused, fmt.Sprintf("%s is %s, for good: give the device another name", id.Path, has.State)
		return result, exists, nil
	default:
		is = v // but for what the identity has on record
		if is.Owner = has.Owner; has.Owner == "" {
			is.Owner = v.Owner
		}
		if is.Site = has.Site; has.Site == "" {
			is.Site = v.Site
		}
		result.Detail = ""
		if exists {
			result.Detail = differences(is, has, v, id)
		}
		if result.Detail == "" {
			result.Detail, err = r.otherDevice(ctx, v)
		}
		if errors.Is(err, errMeanwhile) {
			return r.judgeDevice(ctx, v, id)
		}
	}
	if result.Detail != "" {
		result.Status = Differs
	}
	return result, exists, err
}

// errMeanwhile reports that somebody else has put the very device on record.
var errMeanwhile = errors.New("enroll: the device came on record meanwhile")

// otherDevice says which other device has the identity or the key of v, if one has.
func (r *Registrar) otherDevice(ctx context.Context, v store.Device) (string, error) {
	other, err := r.store.DeviceOf(ctx, v.Identity)
	if err == nil && other.Role == v.Role && other.Serial == v.Serial {
		return "", errMeanwhile
	}
	if err == nil {
		return fmt.Sprintf("%s is the device with serial number %q", v.Identity, other.Serial), nil
	}
	if errors.Is(err, store.ErrNotFound) && len(v.EK) > 0 {
		if other, err = r.store.DeviceByEK(ctx, v.EK); err == nil {
			return fmt.Sprintf("the endorsement key is that of %s, serial number %q", other.Identity, other.Serial), nil
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return "", err
}

// differences says how what is on record, the device and its identity, differs from
// what a line wants. Names are compared where the line has some.
func differences(is store.Device, has store.Identity, want store.Device, id store.Identity) string {
	var all []string
	say := func(what, have, other string) {
		if have != other {
			all = append(all, fmt.Sprintf("%s is %q, not %q", what, have, other))
		}
	}
	say("identity", is.Identity, want.Identity)
	say("owner", is.Owner, want.Owner)
	say("site", is.Site, want.Site)
	if !bytes.Equal(is.EK, want.EK) {
		say("ek_sha256", hex.EncodeToString(is.EK), hex.EncodeToString(want.EK))
	}
	if len(id.DNSNames) > 0 {
		say("dns", strings.Join(has.DNSNames, " "), strings.Join(id.DNSNames, " "))
	}
	if len(id.IPs) > 0 {
		say("ips", strings.Join(has.IPs, " "), strings.Join(id.IPs, " "))
	}
	return strings.Join(all, "; ")
}
