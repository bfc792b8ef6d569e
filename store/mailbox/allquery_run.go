package mailbox

import (
	"context"
	"encoding/json"
	"sync"

	"colporteur/mail"
)

// QueryAll finds emails. The result is all of them, in order; it is shared, and
// not to be written to.
func (s *Store) QueryAll(ctx context.Context, u mail.User, account mail.AccountID, q *AccountQuery) ([]EmailID, error) {
	v, err := s.viewer(ctx, u, account)
	if err != nil {
		return nil, err
	}
	if box := q.plainList(); box != 0 {
		return s.plainList(ctx, v, box, q.Collapse)
	}
	w, err := s.whole(ctx, v)
	if err != nil {
		return nil, err
	}
	// A list is looked at page by page.
	key, err := json.Marshal(q)
	if err != nil {
		return nil, mail.Wrap(mail.BadSyntax, err)
	}
	if ids, ok := w.answers.get(string(key)); ok {
		return ids, nil
	}
	ids, err := s.search(ctx, w, account, q)
	if err == nil {
		w.answers.put(string(key), ids)
	}
	return ids, err
}

func (s *Store) search(ctx context.Context, w *whole, account mail.AccountID, q *AccountQuery) (ids []EmailID, err error) {
	if ids, ok := w.byFlags(q); ok {
		return ids, nil
	}
	asked := Query{}
	if q.Filter != nil {
		if asked, err = s.asked(ctx, w, account, q.Filter); err != nil {
			return nil, err
		}
	}
	var found []Entry
	if err := s.Search(ctx, w.snap, &asked, func(e Entry) bool { found = append(found, e); return true }); err != nil {
		return nil, err
	}
	if found, err = s.sortAll(ctx, w, account, found, q.Sort); err != nil {
		return nil, err
	}
	ids = make([]EmailID, 0, len(found))
	shown := newIDMap(len(found))
	for _, e := range found {
		if _, fresh := shown.number(int64(e.Thread)); fresh || !q.Collapse {
			ids = append(ids, e.Email)
		}
	}
	return ids, nil
}

// answers are those to the questions that were asked of a whole last.
type answers struct {
	mu   sync.Mutex
	keys []string // the oldest first
	ids  map[string][]EmailID
}

// maxAnswers of one account, for one member.
const maxAnswers = 8

func (a *answers) get(key string) (ids []EmailID, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids, ok = a.ids[key]
	return ids, ok
}

func (a *answers) put(key string, ids []EmailID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.ids[key]; known {
		return
	}
	if a.ids == nil {
		a.ids = map[string][]EmailID{}
	}
	if len(a.keys) == maxAnswers {
		delete(a.ids, a.keys[0])
		a.keys = a.keys[1:]
	}
	a.keys, a.ids[key] = append(a.keys, key), ids
}
