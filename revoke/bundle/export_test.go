package bundle

// Poke has the Keeper fetch now.
func (k *Keeper) Poke() {
	select {
	case k.lost <- struct{}{}:
	default:
	}
}
