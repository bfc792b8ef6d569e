package relay

import (
	"sync"
	"time"
)

// How long a connection is kept for the next mail to the same host.
const (
	maxMails = 100
	maxAge   = 5 * time.Minute
	maxIdle  = 10 * time.Second
	maxSpare = 1000 // connections that wait, to all hosts
)

// spares are connections that wait for the next mail. The zero spares is empty.
type spares struct {
	mu    sync.Mutex
	by    map[string][]*spare
	count int
	gone  sync.WaitGroup // one for each spare that is not closed or taken
}

type spare struct {
	*session
	timer *time.Timer
}

// put keeps a session whose transaction has ended well, for a while.
func (p *spares) put(key string, s *session) {
	if s.mails >= maxMails || time.Since(s.born) > maxAge || !s.park() {
		s.Close()
		return
	}
	p.mu.Lock()
	if p.count >= maxSpare {
		p.mu.Unlock()
		s.Close()
		return
	}
	if p.by == nil {
		p.by = map[string][]*spare{}
	}
	p.count++
	p.gone.Add(1)
	it := &spare{session: s}
	p.by[key] = append(p.by[key], it)
	it.timer = time.AfterFunc(maxIdle, func() {
		if p.drop(key, it) {
			it.Close()
			p.gone.Done()
		}
	})
	p.mu.Unlock()
}

// drop takes one out of the list; false when somebody else has.
func (p *spares) drop(key string, it *spare) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.by[key] {
		if other == it {
			p.cut(key, i)
			return true
		}
	}
	return false
}

func (p *spares) cut(key string, i int) {
	list := p.by[key]
	copy(list[i:], list[i+1:])
	list[len(list)-1] = nil
	if p.by[key] = list[:len(list)-1]; len(list) == 1 {
		delete(p.by, key)
	}
	p.count--
}

// take is the session used last, nil if there is none. It may have died since.
func (p *spares) take(key string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.by[key]
	if len(list) == 0 {
		return nil
	}
	it := list[len(list)-1]
	p.cut(key, len(list)-1)
	it.timer.Stop()
	p.gone.Done()
	return it.session
}

// bury drops all sessions of a key: one was dead, and to find that out of each
// may cost ten seconds.
func (p *spares) bury(key string) {
	for s := p.take(key); s != nil; s = p.take(key) {
		s.abort()
	}
}

// close hangs up on all of them.
func (p *spares) close() {
	p.mu.Lock()
	var all []*spare
	for key, list := range p.by {
		all = append(all, list...)
		delete(p.by, key)
	}
	p.count = 0
	p.mu.Unlock()
	for _, it := range all {
		it.timer.Stop()
		go func() {
			defer p.gone.Done()
			it.Close()
		}()
	}
	p.gone.Wait()
}
