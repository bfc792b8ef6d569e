package mailbox

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// A search must not touch every mail. So the emails of an account are made
// ready together, by the thousand, in blocks (searchindex.go makes them):
//
//   - a matrix with a row of bits for each slot of a signature, one bit for each
//     mail. A word of eight letters reads six rows of 128 octets, whatever the
//     mails are, and what is in all six may have the word;
//   - columns: one header field of all mails, folded, one line for each mail.
//     FROM reads one column; nothing else is to be verified;
//   - columns to sort and to thread by (sortkey.go).
//
// Nothing depends on blocks being there. A mail that is in none is asked by
// its own signature, and then by what is kept beside it. A mail that is gone
// stays in its block for a while; nobody asks for it.

// blockMails is how many emails a full block has: a multiple of 64.
const blockMails = 1024

// block is one of them, as its row says.
type block struct {
	id          int64
	first, last EmailID
	mails       int
	slots       int
}

// stride is how many octets a row of the matrix has.
func (b *block) stride() int { return (b.mails + 63) / 64 * 8 }

// pageRows is how many rows of the matrix a row of the database has: as many as
// fill a page of SQLite's without spilling over.
func (b *block) pageRows() int { return 3968 / b.stride() }

// blocksOf lists the blocks of an account by rising ids.
func blocksOf(ctx context.Context, tx *store.Tx, account mail.AccountID) (list []*block, err error) {
	rows, err := tx.Query(ctx, `SELECT id, first, last, mails, slots FROM search_block WHERE account = $1 ORDER BY first`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		b := &block{}
		list = append(list, b)
		return scan(&b.id, &b.first, &b.last, &b.mails, &b.slots)
	})
	return list, err
}

// Columns of a block. Those of header fields are named by the field; all other
// fields stand together in restColumn, with their names.
const (
	restColumn  = ""
	emailColumn = "=email" // ids, eight octets each
	sentColumn  = "=sent"  // microseconds of the Date field, and its zone in seconds: twelve octets
)

var ownColumn = []string{"subject", "from", "to", "cc", "bcc", "reply-to", "sender", "message-id", "in-reply-to", "references"}

// columnCache holds those that were read lately; they never change. 10,000 mails
// have about two megabytes of them.
type columnCache struct {
	mu   sync.Mutex
	have map[columnKey]*column
	size int
	tick int64
}

type columnKey struct {
	block int64
	name  string
}

type column struct {
	data string
	used int64
}

const maxColumns = 32 << 20

func (c *columnCache) get(k columnKey) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.have[k]
	if have == nil {
		return "", false
	}
	c.tick++
	have.used = c.tick
	return have.data, true
}

func (c *columnCache) put(k columnKey, data string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have == nil {
		c.have = map[columnKey]*column{}
	}
	if c.have[k] != nil {
		return
	}
	c.tick++
	c.have[k] = &column{data, c.tick}
	if c.size += len(data) + 100; c.size <= maxColumns {
		return
	}
	// Half of it, the longest unused, goes at once: this is rare.
	order := make([]int64, 0, len(c.have))
	for _, h := range c.have {
		order = append(order, h.used)
	}
	slices.Sort(order)
	for k, h := range c.have {
		if h.used < order[len(order)/2] {
			delete(c.have, k)
			c.size -= len(h.data) + 100
		}
	}
}

// column reads one column of each block; "" where a block has it no more.
func (s *Store) column(ctx context.Context, tx *store.Tx, name string, blocks []*block) (map[int64]string, error) {
	got := make(map[int64]string, len(blocks))
	var ask []int64
	for _, b := range blocks {
		if data, ok := s.cache.get(columnKey{b.id, name}); ok {
			got[b.id] = data
		} else {
			ask = append(ask, b.id)
		}
	}
	for some := range slices.Chunk(ask, 32) {
		set, args := in([]any{name}, some)
		rows, err := tx.Query(ctx, `SELECT block, size, data FROM search_column WHERE name = $1 AND block IN `+set, args...)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var id int64
			var size int
			var packed sql.RawBytes
			if err := scan(&id, &size, &packed); err != nil {
				return err
			}
			data, err := unsqueeze(nil, packed, size)
			if err != nil {
				return fmt.Errorf("search block %d: column %q: %w", id, name, err)
			}
			got[id] = string(data)
			s.cache.put(columnKey{id, name}, got[id])
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return got, nil
}

// evidence is what a block answered to one search.
type evidence struct {
	*block
	emails string
	bits   [][]uint64 // by word: mails that may have it; nil: not asked, or too short to ask
	fields []*answer  // by field
	sent   string
}

// answer is a bit for each mail.
type answer struct{ yes, may []uint64 }

func bit(set []uint64, i int) bool { return set[i>>6]>>(i&63)&1 != 0 }

func (v *evidence) email(i int) EmailID {
	return EmailID(binary.BigEndian.Uint64([]byte(v.emails[i*8 : i*8+8])))
}

// find is the place of an email; hint is where it may be.
func (v *evidence) find(e EmailID, hint int) (i int, ok bool) {
	n := len(v.emails) / 8
	if hint < n && v.email(hint) == e {
		return hint, true
	}
	i = sort.Search(n, func(i int) bool { return v.email(i) >= e })
	return i, i < n && v.email(i) == e
}

// askMatrix reads the rows of the matrix that words need.
func (v *evidence) askMatrix(ctx context.Context, tx *store.Tx, words []*word) error {
	if v.bits != nil {
		return nil
	}
	v.bits = make([][]uint64, len(words))
	need := map[int]bool{}
	for _, w := range words {
		for _, s := range w.sample() {
			need[int(s)&(v.slots-1)/v.pageRows()] = true
		}
	}
	if len(need) == 0 {
		return nil
	}
	pages := map[int][]byte{}
	numbers := make([]int64, 0, len(need))
	for p := range need {
		numbers = append(numbers, int64(p))
	}
	slices.Sort(numbers)
	for some := range slices.Chunk(numbers, atOnce) {
		set, args := in([]any{v.id}, some)
		rows, err := tx.Query(ctx, `SELECT page, bits FROM search_page WHERE block = $1 AND page IN `+set, args...)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var p int
			var bits []byte
			err := scan(&p, &bits)
			pages[p] = bits
			return err
		})
		if err != nil {
			return err
		}
	}
	stride := v.stride()
	for _, w := range words {
		for _, s := range w.sample() {
			row := int(s) & (v.slots - 1)
			page, at := pages[row/v.pageRows()], row%v.pageRows()*stride
			if at+stride > len(page) {
				continue // replaced meanwhile; the mails decide
			}
			if v.bits[w.id] == nil {
				v.bits[w.id] = make([]uint64, stride/8)
				for i := range v.bits[w.id] {
					v.bits[w.id][i] = ^uint64(0)
				}
			}
			for i := range v.bits[w.id] {
				v.bits[w.id][i] &= binary.LittleEndian.Uint64(page[at+i*8:])
			}
		}
	}
	return nil
}

// sample are slots enough to tell.
func (w *word) sample() []uint32 {
	const enough = 10
	if len(w.slots) <= enough {
		return w.slots
	}
	some := make([]uint32, enough)
	for i := range some {
		some[i] = w.slots[i*len(w.slots)/enough]
	}
	return some
}

// columnOf is where a field is found.
func columnOf(f *field) string {
	if slices.Contains(ownColumn, f.name) {
		return f.name
	}
	return restColumn
}

// askColumn looks for a field in its column.
func (v *evidence) askColumn(f *field, data string) {
	n := v.stride() / 8
	a := &answer{make([]uint64, n), make([]uint64, n)}
	v.fields[f.id] = a
	if data == "" { // replaced meanwhile
		for i := range a.may {
			a.may[i] = ^uint64(0)
		}
		return
	}
	key := f.key
	if columnOf(f) != restColumn {
		key = "\t"
	}
	mark := func(set []uint64, needle string, fits func(line string, at int) bool) {
		row, counted := 0, 0
		for at := 0; ; {
			i := strings.Index(data[at:], needle)
			if i < 0 {
				return
			}
			at += i
			row += strings.Count(data[counted:at], "\n")
			counted = at
			if row >= v.mails {
				return
			}
			if fits(data, at) {
				set[row>>6] |= 1 << (row & 63)
				end := strings.IndexByte(data[at:], '\n')
				if end < 0 {
					return
				}
				at += end
			} else {
				at++
			}
		}
	}
	always := func(string, int) bool { return true }
	switch {
	case f.text == "" || key == "\t":
		needle := f.text
		if needle == "" {
			needle = key
		}
		mark(a.yes, needle, func(line string, at int) bool {
			return f.text != "" || !strings.HasPrefix(line[at:], "\t"+notKept) || key != "\t"
		})
	default:
		mark(a.yes, f.text, func(line string, at int) bool {
			start := strings.LastIndexByte(line[:at], '\t')
			return start >= 0 && strings.HasPrefix(line[start:], key) && at >= start+len(key)
		})
	}
	if key != "\t" {
		mark(a.may, key+notKept, always)
	}
	mark(a.may, "\t"+notKept, always)
}

// sentAt is the Date field of mail i; zero without one.
func (v *evidence) sentAt(i int) (t time.Time, ok bool) {
	if len(v.sent) < (i+1)*12 {
		return t, false
	}
	micros := int64(binary.BigEndian.Uint64([]byte(v.sent[i*12 : i*12+8])))
	if micros == 0 {
		return t, true
	}
	zone := int32(binary.BigEndian.Uint32([]byte(v.sent[i*12+8 : i*12+12])))
	return time.UnixMicro(micros).In(time.FixedZone("", int(zone))), true
}
