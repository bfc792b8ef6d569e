package accounts

import (
	"maps"
	"sync"
	"time"

	"colporteur/mail"
)

// cacheSize bounds what is remembered of the directory; a dictionary attack
// must not fill the memory.
const cacheSize = 20_000

// elsewhere is how long a node may believe what another node has changed since.
const elsewhere = 5 * time.Second

// cache remembers what addresses lead to: RCPT must not cost a query each.
//
// Every change of the directory raises the generation, after its commit.
// An answer is kept only if the generation is still the one from before its
// query, so an answer from before a change never outlives the change.
type cache struct {
	mu         sync.Mutex
	generation uint64
	answers    map[mail.Address]answer
	domains    []string // in the order they were added; nil: not known
	domainsAt  time.Time
}

// answer is what one address leads to.
type answer struct {
	dest     []mail.Destination
	err      error // NoSuchUser or Suspended; nil with dest
	fallback bool  // by the rule that postmaster and abuse exist, not because somebody said so
	at       time.Time
}

func (c *cache) get(a mail.Address, fresh func(time.Time) bool) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got, ok := c.answers[a]
	return got, ok && fresh(got.at)
}

func (c *cache) getDomains(fresh func(time.Time) bool) ([]string, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.domains != nil && fresh(c.domainsAt) {
		return c.domains, c.generation
	}
	return nil, c.generation
}

func (c *cache) putDomains(domains []string, at time.Time, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation {
		c.domains, c.domainsAt = domains, at
	}
}

func (c *cache) put(a mail.Address, got answer, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return
	}
	if c.answers == nil {
		c.answers = map[mail.Address]answer{}
	}
	if len(c.answers) >= cacheSize {
		n := 0 // a map is walked in no order: an eighth goes by chance
		maps.DeleteFunc(c.answers, func(mail.Address, answer) bool { n++; return n%8 == 0 })
	}
	c.answers[a] = got
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.answers, c.domains = nil, nil
}

// fresh says whether something learnt at that time may still be believed. A
// SQLite database has no other writer; on PostgreSQL there are other nodes.
func (s *Service) fresh(at time.Time) bool {
	return s.DB.Engine() == "sqlite" || s.now().Sub(at) < elsewhere
}
