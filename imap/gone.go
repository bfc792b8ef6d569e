package imap

import (
	"sync"
	"time"
)

// watch calls away when the client closes the connection while a command runs,
// until stop is called. A client that closes its half only is gone too: no mail
// program does that and waits for an answer.
func (c *conn) watch(every time.Duration, away func()) (stop func()) {
	var mu sync.Mutex
	stopped := false
	var timer *time.Timer
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped:
		case left(c.Conn):
			away()
		default:
			timer.Reset(every)
		}
	}
	mu.Lock()
	timer = time.AfterFunc(every, look)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
