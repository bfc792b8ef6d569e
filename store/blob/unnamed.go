package blob

import (
	"context"
	"errors"

	"colporteur/store"
)

// DeleteUnnamed is Delete for those of the blobs that nothing names any more:
// one file may be in a transfer and in its owner's own copy of the mail. What
// named them must be gone in tx before. ids are locked in the order given.
func (s *Store) DeleteUnnamed(ctx context.Context, tx *store.Tx, ids ...ID) error {
	for _, id := range ids {
		// Under the lock that Keep takes too: whoever is about to name the blob
		// has committed, and is seen, or waits and finds it gone.
		if err := s.Keep(ctx, tx, id); errors.Is(err, store.ErrNoRows) {
			continue
		} else if err != nil {
			return err
		}
		named, err := s.named(ctx, tx, int64(id))
		if err != nil {
			return err
		}
		if !named {
			if err := s.Delete(ctx, tx, id); err != nil {
				return err
			}
		}
	}
	return nil
}
