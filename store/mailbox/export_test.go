package mailbox

// Forget empties the cache of snapshots.
func (s *Store) Forget() {
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	for _, b := range s.live.boxes {
		s.live.remove(b)
	}
}
