package store

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
)

// lookupAtOnce bounds what one statement of Lookup asks for.
const lookupAtOnce = 256

// Lookup reads the rows whose key is one of ids, by rising key. q is a query up
// to and with its last AND or WHERE, and uses args. row scans a row and returns
// its key; it is also called for rows that nobody asked for, and skips them.
//
// Rows that belong together were mostly made one after the other, and ids rise
// with time. To read all rows from the first id to the last costs half of what
// looking each one up does; where too many others lie between, that is given up.
func Lookup[T ~int64](ctx context.Context, tx *Tx, q string, args []any, key string, ids []T, row func(scan func(...any) error) (T, error)) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for len(ids) > 0 {
		some := ids[:min(len(ids), lookupAtOnce)]
		ids = ids[len(some):]
		limit, read, last := 2*len(some), 0, T(0)
		each := func(rows *sql.Rows, err error) error {
			return Each(rows, err, func(scan func(...any) error) (err error) {
				last, err = row(scan)
				read++
				return err
			})
		}
		n := len(args)
		span := append(slices.Clone(args), int64(some[0]), int64(some[len(some)-1]), limit)
		if err := each(tx.Query(ctx, q+` `+key+` >= $`+strconv.Itoa(n+1)+` AND `+key+` <= $`+strconv.Itoa(n+2)+
			` ORDER BY `+key+` LIMIT $`+strconv.Itoa(n+3), span...)); err != nil {
			return err
		}
		if read < limit {
			continue
		}
		i, found := slices.BinarySearch(some, last)
		if found {
			i++
		}
		if some = some[i:]; len(some) > 0 {
			list, all := inList(slices.Clone(args), some)
			if err := each(tx.Query(ctx, q+` `+key+` IN `+list+` ORDER BY `+key, all...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// inList makes "($2,$3,…)" of ids and appends them to args. It is filled up to a
// power of two by saying the last one again: prepared statements stay few.
func inList[T ~int64](args []any, ids []T) (string, []any) {
	n := 1
	for n < len(ids) {
		n *= 2
	}
	var b strings.Builder
	b.WriteByte('(')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		args = append(args, int64(ids[min(i, len(ids)-1)]))
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(len(args)))
	}
	b.WriteByte(')')
	return b.String(), args
}
