package mailbox

import (
	"testing"

	"colporteur/mail"
	"colporteur/store/message"
)

func TestTheCacheOfCardsIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c := cardCache{limit: 100 * (cardOverhead + 100)}
	card := &mail.Card{Envelope: make([]byte, 100)}
	have := func(id message.ID) bool {
		out := make([]*mail.Card, 1)
		c.look([]Entry{{Message: id}}, out, func(message.ID) {})
		return out[0] != nil
	}
	c.keep(map[message.ID]*mail.Card{1: card})
	for id := message.ID(2); id < 1000; id++ {
		c.keep(map[message.ID]*mail.Card{id: card})
		if !have(1) {
			t.Fatalf("what is asked for again and again went after %d others", id)
		}
		if n := len(c.young) + len(c.old); n > 100 {
			t.Fatalf("%d cards", n)
		}
	}
	if have(2) || !have(999) || !have(980) {
		t.Error("the wrong ones are kept")
	}
	c.keep(map[message.ID]*mail.Card{5000: {Envelope: make([]byte, 10_000)}})
	if have(5000) {
		t.Error("one card may fill the cache")
	}
}
