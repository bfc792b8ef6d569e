package mailbox

import (
	"context"
	"sync"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
)

// cardBytes is how much memory cards may take, for all sessions together: some
// thirty thousand mails.
const cardBytes = 32 << 20

// Cards are what FETCH ENVELOPE, BODYSTRUCTURE and PREVIEW need of entries, in
// their order, nil where the mail is gone for good. They are shared and not to be
// written to.
func (s *Store) Cards(ctx context.Context, entries []Entry) ([]*mail.Card, error) {
	out := make([]*mail.Card, len(entries))
	var missing []message.ID
	s.cards.look(entries, out, func(id message.ID) { missing = append(missing, id) })
	if len(missing) == 0 {
		return out, nil
	}
	found := make(map[message.ID]*mail.Card, len(missing))
	err := s.read(ctx, func(tx *store.Tx) error {
		return s.Messages.Cards(ctx, tx, missing, func(id message.ID, c mail.Card) { found[id] = &c })
	})
	if err != nil {
		return nil, err
	}
	s.cards.keep(found)
	for i, e := range entries {
		if out[i] == nil {
			out[i] = found[e.Message]
		}
	}
	return out, nil
}

// cardCache is the cards that were asked for lately. A message never changes,
// so nothing in it is ever wrong.
//
// It is two generations: when the young one has half of the room, it becomes the
// old one, and what was the old one is forgotten. What is asked for again is
// young again. That keeps what is in use without a list to be moved in at each
// of ten thousand lookups.
type cardCache struct {
	mu         sync.Mutex
	young, old map[message.ID]*mail.Card
	bytes      int // of young
	limit      int // 0 is cardBytes; tests set it
}

func (c *cardCache) look(entries []Entry, out []*mail.Card, missing func(message.ID)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range entries {
		card := c.young[e.Message]
		if card == nil {
			if card = c.old[e.Message]; card == nil {
				missing(e.Message)
				continue
			}
			c.add(e.Message, card)
		}
		out[i] = card
	}
}

func (c *cardCache) keep(found map[message.ID]*mail.Card) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, card := range found {
		c.add(id, card)
	}
}

// cardOverhead is what a card takes beside its text.
const cardOverhead = 250

func (c *cardCache) add(id message.ID, card *mail.Card) {
	if c.young[id] != nil {
		return
	}
	limit := c.limit
	if limit == 0 {
		limit = cardBytes
	}
	n := cardOverhead + card.Len()
	if n > limit/16 {
		return // one monster does not drive out a thousand others
	}
	if c.bytes+n > limit/2 || c.young == nil {
		c.young, c.old, c.bytes = make(map[message.ID]*mail.Card), c.young, 0
	}
	c.young[id] = card
	c.bytes += n
}

// ForgetCards empties the cache, for measurements.
func (s *Store) ForgetCards() {
	s.cards.mu.Lock()
	defer s.cards.mu.Unlock()
	s.cards.young, s.cards.old, s.cards.bytes = nil, nil, 0
}
