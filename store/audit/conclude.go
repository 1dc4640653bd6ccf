package audit

// A verdict says which side a checkpoint agrees with where leaf and memory of
// it part.
type verdict int

const (
	undecided verdict = iota
	leavesRight
	keptRight
)

// conclude names what no later checkpoint can decide any more.
func (v *verifier) conclude() {
	if v.bad != nil && !v.explained() {
		kind, detail := Rewritten, "the entries do not hash to what %s says"
		if v.sealedByLog() {
			kind, detail = Forked, "every entry is sealed by the log, and yet %s is of another history"
		}
		v.found.add(kind, v.bad.from, v.bad.size, detail, v.bad.series.name)
	}
	v.resolve(undecided)
	if m := v.missing; m.n > 0 {
		v.found.add(CheckpointDeleted, m.from, m.to, "the evidence has %d that the store has not", m.n)
	}
}

// explained says whether suspects say more closely where the change is: a tile
// above, or, if all entries could be opened, the ones that the log did not seal.
func (v *verifier) explained() bool {
	for _, s := range v.suspects {
		all := v.options.Keyring != nil && v.strange.n == 0
		if s.from <= v.bad.size && (s.level > 0 || s.seal == broken && all) {
			return true
		}
	}
	return false
}

// sealedByLog says whether nothing at all is wrong with the entries of the
// wrong checkpoint but that it was signed for others.
func (v *verifier) sealedByLog() bool {
	return v.options.Keyring != nil && !v.lost && v.strange.n == 0 && len(v.suspects) == 0 && v.numbers.clean()
}

// resolve names the suspects, now that it is known which side is right, or that
// it never will be.
func (v *verifier) resolve(side verdict) {
	switch s := v.strange; {
	case s.n == 0:
	case side == undecided:
		v.found.add(Forged, s.from, s.to, "all or some under a data key that the log does not have, and no checkpoint vouches for them")
	default:
		v.found.add(Unreadable, s.from, s.to, "all or some under a data key that the log does not have: it was deleted, or they are not the log's")
	}
	for _, s := range v.suspects {
		if s.level > 0 {
			v.resolveTile(s, side)
			continue
		}
		v.resolveEntry(s, side)
	}
	if d := v.dropped; d.n > 0 {
		v.found.add(Edited, d.from, d.to, "%d more of them do not fit", d.n)
	}
	v.suspects, v.dropped, v.strange = nil, run{}, run{}
}

func (v *verifier) resolveEntry(s suspect, side verdict) {
	authentic := side == leavesRight || side == undecided && s.seal == opened
	switch {
	case authentic && s.seal == broken:
		v.found.add(Forged, s.from, s.to, "signed with the rest, but not sealed by the log")
	case authentic:
		if s.row {
			v.found.add(Edited, s.from, s.to, "its hash column; the leaf is intact")
		}
		if s.tile {
			v.found.add(TileEdited, s.from, s.to, "level 0 remembers other hashes; the leaves are intact")
		}
	case s.row:
		v.found.add(Edited, s.from, s.to, "the leaf does not match its hash")
	case s.tile:
		v.found.add(Edited, s.from, s.to, "leaf and hash were made anew: the tile remembers others")
	default:
		if s.from <= v.signed {
			v.found.add(Edited, s.from, min(s.to, v.signed), "not sealed by the log, but hashed anew")
		}
		if s.to > v.signed {
			v.found.add(Forged, max(s.from, v.signed+1), s.to, "not sealed by the log, and after its last checkpoint")
		}
	}
}

func (v *verifier) resolveTile(s suspect, side verdict) {
	if side == undecided && v.bad != nil {
		v.found.add(Rewritten, s.from, s.to, "the tile of level %d remembers others", s.level)
		return
	}
	v.found.add(TileEdited, s.from, s.to, "level %d remembers other hashes than the level below", s.level)
}
