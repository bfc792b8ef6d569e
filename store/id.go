package store

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

// epoch keeps ids in 63 bits until the year 2091.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

var ids struct {
	sync.Mutex
	last int64
}

// NewID makes an id for a row: 51 bits of microseconds, then 12 random bits, so
// that rows made together lie together and two nodes do not meet. Ids of one
// process only grow. They are not secret and grant nothing.
func NewID() int64 {
	var r [2]byte
	rand.Read(r[:])
	id := (time.Now().UnixMicro()-epoch)<<12 | int64(binary.BigEndian.Uint16(r[:])&0xfff)
	ids.Lock()
	defer ids.Unlock()
	if id <= ids.last {
		id = ids.last + 1
	}
	ids.last = id
	return id
}

// Before is an id that was made that long before another, or earlier: rows that
// never move can be found by when they were made, without an index.
func Before(id int64, d time.Duration) int64 { return max(0, id-d.Microseconds()<<12) }
