package mailbox

import (
	"strconv"
	"strings"
)

// atOnce bounds the lists given to one statement.
const atOnce = 256

// in makes "($2,$3,…)" for a list of at most atOnce ids and appends them to
// args. Lists are filled up to a power of two by saying the last one again:
// prepared statements stay few.
func in[T ~int64 | ~uint32](args []any, ids []T) (string, []any) {
	var b strings.Builder
	n := 1
	for n < len(ids) {
		n *= 2
	}
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

// bulk calls insert with "($1, $2), ($3, $4), …" for rows of the given width,
// in portions of powers of two, so that prepared statements stay few.
func bulk[T any](rows []T, width int, row func(args []any, r T) []any, insert func(values string, args []any) error) error {
	for len(rows) > 0 {
		n := 32
		for n > len(rows) {
			n /= 2
		}
		var b strings.Builder
		args := make([]any, 0, n*width)
		for i, r := range rows[:n] {
			if i > 0 {
				b.WriteByte(',')
			}
			for c := range width {
				b.WriteByte("(,"[min(c, 1)])
				b.WriteByte('$')
				b.WriteString(strconv.Itoa(i*width + c + 1))
			}
			b.WriteByte(')')
			args = row(args, r)
		}
		if err := insert(b.String(), args); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
