package mailbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
)

// leaf is what a block takes of one email.
type leaf struct {
	id      EmailID
	message message.ID
	blob    blob.ID
	prefix  []byte
	sig     []byte
	summary *mail.Summary
	kept    *kept
}

// rebuild replaces old blocks, if any, by one over the emails from first to
// last, as many as it holds.
func (s *Store) rebuild(ctx context.Context, account mail.AccountID, first, last EmailID, old []*block) error {
	var leaves []*leaf
	sealed := map[blob.ID]blob.Sealed{}
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT e.id, e.message, e.prefix, e.sig, message.summary, `+keptWith+` FROM email e JOIN message ON message.id = e.message
			WHERE e.account = $1 AND e.id >= $2 AND e.id <= $3 ORDER BY e.id LIMIT $4`, int64(account), int64(first), int64(last), blockMails)
		var blobs []blob.ID
		err = store.Each(rows, err, func(scan func(...any) error) error {
			l := &leaf{}
			var summary []byte
			var whole *int64
			if err := scan(&l.id, &l.message, &l.prefix, &l.sig, &summary, &whole); err != nil {
				return err
			}
			if whole != nil {
				l.blob = blob.ID(*whole)
				blobs = append(blobs, l.blob)
			}
			leaves = append(leaves, l)
			return json.Unmarshal(summary, &l.summary)
		})
		if err != nil {
			return err
		}
		for some := range slices.Chunk(blobs, atOnce) {
			found, err := s.Messages.Blobs.SealedBeside(ctx, tx, some)
			if err != nil {
				return err
			}
			maps.Copy(sealed, found)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range leaves {
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.kept, err = s.kept(ctx, l.message, sealed[l.blob]); err != nil {
			return err
		}
		l.kept.all, l.kept.body = "", "" // its words are in its signature
	}
	return s.replace(ctx, account, leaves, old)
}

// errOverlap: somebody else made a block meanwhile.
var errOverlap = errors.New("the block is there already")

func (s *Store) replace(ctx context.Context, account mail.AccountID, leaves []*leaf, old []*block) error {
	b := &block{id: store.NewID(), mails: len(leaves)}
	var matrix []byte
	named := map[string][]byte{}
	if b.mails > 0 {
		b.first, b.last = leaves[0].id, leaves[b.mails-1].id
		matrix = b.matrix(leaves)
		named = columnsFor(leaves)
	}
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		// The account's row, first as always, keeps the blocks of two nodes apart.
		if err := lockAccount(ctx, tx, account); err != nil {
			return err
		}
		for _, o := range old {
			for _, q := range []string{`DELETE FROM search_page WHERE block = $1`, `DELETE FROM search_column WHERE block = $1`} {
				if _, err := tx.Exec(ctx, q, o.id); err != nil {
					return err
				}
			}
			if n, err := tx.Exec(ctx, `DELETE FROM search_block WHERE id = $1`, o.id); err != nil {
				return err
			} else if n == 0 {
				return errOverlap
			}
		}
		if b.mails == 0 {
			return nil
		}
		var others int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM search_block WHERE account = $1 AND first <= $2 AND last >= $3`,
			int64(account), int64(b.last), int64(b.first)).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			return errOverlap
		}
		return b.insert(ctx, tx, account, matrix, named)
	})
	if errors.Is(err, errOverlap) {
		return nil
	}
	return err
}

func (b *block) insert(ctx context.Context, tx *store.Tx, account mail.AccountID, matrix []byte, named map[string][]byte) error {
	if _, err := tx.Exec(ctx, `INSERT INTO search_block (id, account, first, last, mails, slots) VALUES ($1, $2, $3, $4, $5, $6)`,
		b.id, int64(account), int64(b.first), int64(b.last), b.mails, b.slots); err != nil {
		return err
	}
	n := 0
	err := bulk(slices.Collect(slices.Chunk(matrix, b.pageRows()*b.stride())), 3, func(args []any, page []byte) []any {
		n++
		return append(args, b.id, n-1, page)
	}, func(values string, args []any) error {
		_, err := tx.Exec(ctx, `INSERT INTO search_page (block, page, bits) VALUES `+values, args...)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		data := named[name]
		if _, err := tx.Exec(ctx, `INSERT INTO search_column (block, name, size, data) VALUES ($1, $2, $3, $4)`,
			b.id, name, len(data), squeeze(nil, data)); err != nil {
			return err
		}
	}
	return nil
}

// matrix turns signatures into rows. It has as many slots as the signatures
// have bits on average: the larger ones are folded, the smaller ones repeated.
func (b *block) matrix(leaves []*leaf) []byte {
	total := 0
	for _, l := range leaves {
		total += max(minSignature, len(l.sig))
	}
	mean := total * 8 / len(leaves)
	b.slots = 1 << bits.Len(uint(mean-1))
	b.slots = min(max(b.slots, minSignature*8), maxSignature*8)
	stride := b.stride()
	m := make([]byte, b.slots*stride)
	for i, l := range leaves {
		at, one := i>>3, byte(1)<<(i&7)
		if len(l.sig) == 0 { // none was made: it may have any word
			for row := range b.slots {
				m[row*stride+at] |= one
			}
			continue
		}
		n := len(l.sig) * 8
		for k := 0; k+8 <= len(l.sig); k += 8 {
			for w := binary.LittleEndian.Uint64(l.sig[k:]); w != 0; w &= w - 1 {
				s := k*8 + bits.TrailingZeros64(w)
				for row := s & (b.slots - 1); row < b.slots; row += n {
					m[row*stride+at] |= one
				}
			}
		}
	}
	return m
}

// columnsFor makes the columns of a block.
func columnsFor(leaves []*leaf) map[string][]byte {
	named := map[string][]byte{restColumn: nil, emailColumn: nil, sentColumn: nil}
	for _, l := range leaves {
		named[emailColumn] = binary.BigEndian.AppendUint64(named[emailColumn], uint64(l.id))
		_, zone := l.kept.date.Zone()
		named[sentColumn] = binary.BigEndian.AppendUint64(named[sentColumn], uint64(store.Micros(l.kept.date)))
		named[sentColumn] = binary.BigEndian.AppendUint32(named[sentColumn], uint32(int32(zone)))
		for _, key := range sortColumns {
			v := sortValue(key, l.summary)
			named[key] = append(binary.AppendUvarint(named[key], uint64(len(v))), v...)
		}
		fields := l.kept.fields
		rest, all := strings.CutSuffix(fields, "\t"+notKept)
		for one := range strings.SplitSeq(string(foldFields(nil, l.prefix))+rest, "\t") {
			name, value, ok := strings.Cut(one, ":")
			switch {
			case !ok:
			case slices.Contains(ownColumn, name):
				named[name] = append(append(named[name], '\t'), value...)
			default:
				named[restColumn] = append(append(named[restColumn], '\t'), one...)
			}
		}
		for _, name := range append(ownColumn, restColumn) {
			if all {
				named[name] = append(named[name], "\t"+notKept...)
			}
			named[name] = append(named[name], '\n')
		}
	}
	return named
}
