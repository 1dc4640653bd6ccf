package store

import (
	"context"
	"fmt"
	"time"
)

// A Device is a line of the inventory: which identity it is that a manufacturer has
// given a serial number, or a chip an endorsement key. It is there before the machine
// comes for the first time.
type Device struct {
	Role     string // of the identity; the same number may be there in another role
	Serial   string // as the manufacturer's certificate spells it
	Identity string // path; one device is one identity
	Owner    string // as imported
	Site     string
	EK       []byte // SHA-256 of the endorsement key's SubjectPublicKeyInfo; empty: none
	Imported time.Time
}

// InsertDevice demands that the role has no device of this serial number, and that
// neither its identity nor its endorsement key is another device's, and records it. The
// error is [ErrExists]: nothing that is there is changed.
func (t *Tx) InsertDevice(v Device) {
	t.demand(1, ErrExists, `
		INSERT INTO devices (role, serial, identity, owner, site, ek, imported_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`,
		v.Role, v.Serial, v.Identity, v.Owner, v.Site, optional(v.EK), t.millis())
}

const deviceColumns = `v.role, v.serial, v.identity, v.owner, v.site, v.ek, v.imported_at`

// Device returns the device of a role with this serial number, or [ErrNotFound].
func (d *DB) Device(ctx context.Context, role, serial string) (Device, error) {
	v, err := d.device(ctx, `WHERE v.role = $1 AND v.serial = $2`, role, serial)
	if err != nil {
		return Device{}, fmt.Errorf("reading device %.100q of role %s: %w", serial, role, err)
	}
	return v, nil
}

// DeviceByEK returns the device with this endorsement key, by the SHA-256 of its
// SubjectPublicKeyInfo, or [ErrNotFound].
func (d *DB) DeviceByEK(ctx context.Context, ek []byte) (Device, error) {
	v, err := d.device(ctx, `WHERE v.ek = $1`, ek)
	if err != nil {
		return Device{}, fmt.Errorf("reading the device with endorsement key %x: %w", ek, err)
	}
	return v, nil
}

// DeviceOf returns the device that an identity is, by its path, or [ErrNotFound].
func (d *DB) DeviceOf(ctx context.Context, identity string) (Device, error) {
	v, err := d.device(ctx, `WHERE v.identity = $1`, identity)
	if err != nil {
		return Device{}, fmt.Errorf("reading the device of %s: %w", identity, err)
	}
	return v, nil
}

func (d *DB) device(ctx context.Context, where string, args ...any) (Device, error) {
	var r deviceRow
	if err := d.reads.row(ctx, `SELECT `+deviceColumns+` FROM devices v `+where, args, r.dest()...); err != nil {
		return Device{}, err
	}
	return r.device(), nil
}

// Devices lists the inventory in the order of role and serial number; of one role, if
// it is not empty.
func (d *DB) Devices(ctx context.Context, role string, p Page) ([]Device, string, error) {
	after, err := p.key(0)
	if err != nil {
		return nil, "", err
	}
	query, args := `SELECT `+deviceColumns+` FROM devices v WHERE (v.role, v.serial) > ($1, $2) ORDER BY v.role, v.serial LIMIT $3`, []any{}
	afterRole, afterSerial := splitPath(string(after))
	if role != "" {
		query = `SELECT ` + deviceColumns + ` FROM devices v WHERE v.role = $1 AND v.serial > $2 ORDER BY v.serial LIMIT $3`
		args = append(args, role, afterSerial, p.limit()+1)
	} else {
		args = append(args, afterRole, afterSerial, p.limit()+1)
	}
	rows, err := d.reads.query(ctx, query, args...)
	if err != nil {
		return nil, "", fmt.Errorf("listing devices: %w", err)
	}
	defer rows.Close()
	var all []Device
	for rows.Next() {
		var r deviceRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, "", fmt.Errorf("listing devices: %w", err)
		}
		all = append(all, r.device())
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("listing devices: %w", err)
	}
	all, next := cut(all, p.limit(), func(v Device) []byte { return []byte(v.Role + "/" + v.Serial) })
	return all, next, nil
}

// A deviceRow is a device as the database has it.
type deviceRow struct {
	Device
	imported int64
}

// dest returns where deviceColumns are scanned to.
func (r *deviceRow) dest() []any {
	return []any{&r.Role, &r.Serial, &r.Identity, &r.Owner, &r.Site, &r.EK, &r.imported}
}

func (r *deviceRow) device() Device {
	r.Imported = fromMillis(r.imported)
	return r.Device
}
