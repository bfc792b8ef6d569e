package mailbox

import (
	"context"
	"slices"
	"strconv"

	"colporteur/store"
)

// A span says which rows of a mailbox a statement is about: a condition on
// placement that names them and no others, with its arguments from $1 on.
type span struct {
	where string
	args  []any
	n     int // rows
}

// spans makes conditions for the mails with these UIDs, which rise and are all
// there. "1:*" is one range, however many UIDs are missing in it: nothing is
// bound, and nothing looked up, for each mail. Others are lists.
func spans(ctx context.Context, tx *store.Tx, box ID, uids []UID) ([]span, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	first, last := uids[0], uids[len(uids)-1]
	if len(uids) > 8 {
		there := 0
		// Not one more is read than is needed to know.
		err := tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM placement WHERE mailbox = $1 AND uid >= $2 AND uid <= $3 LIMIT $4) AS found`,
			int64(box), int64(first), int64(last), len(uids)+1).Scan(&there)
		if err != nil {
			return nil, err
		}
		if there == len(uids) {
			return []span{{where: `mailbox = $1 AND uid >= $2 AND uid <= $3`, args: []any{int64(box), int64(first), int64(last)}, n: there}}, nil
		}
	}
	var all []span
	for some := range slices.Chunk(uids, atOnce) {
		set, args := in([]any{int64(box)}, some)
		all = append(all, span{where: `mailbox = $1 AND uid IN ` + set, args: args, n: len(some)})
	}
	return all, nil
}

// arg adds an argument and returns how the statement names it.
func (s *span) arg(v any) string {
	s.args = append(slices.Clip(s.args), v)
	return "$" + strconv.Itoa(len(s.args))
}

// uidsOf are those of entries.
func uidsOf(entries []Entry) []UID {
	uids := make([]UID, len(entries))
	for i, e := range entries {
		uids[i] = e.UID
	}
	return uids
}
