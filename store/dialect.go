package store

import (
	"strings"
	"sync"
)

// toSQLite lists every word of our SQL that SQLite spells otherwise. It is
// applied to queries and to migrations; dialect_test.go holds it to account.
var toSQLite = strings.NewReplacer(
	" FOR UPDATE SKIP LOCKED", "", // one writer: nothing to skip
	" FOR UPDATE", "",
	" BIGINT PRIMARY KEY", " INTEGER PRIMARY KEY", // the rowid itself: one B-tree instead of two
	" BYTEA", " BLOB",
	" COLLATE \"C\"", " COLLATE BINARY",
)

// rewriter remembers rewritten statements: their set is fixed by the program's
// text, but for lists of changing length.
type rewriter struct {
	mu   sync.RWMutex
	seen map[string]string
}

func (r *rewriter) rewrite(q string) string {
	r.mu.RLock()
	s, ok := r.seen[q]
	r.mu.RUnlock()
	if ok {
		return s
	}
	s = toSQLite.Replace(q)
	r.mu.Lock()
	if r.seen == nil || len(r.seen) > 4*statements {
		r.seen = map[string]string{}
	}
	r.seen[q] = s
	r.mu.Unlock()
	return s
}
