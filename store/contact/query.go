package contact

import (
	"context"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// Row is what is searched in a card. All text but UID and Kind is folded.
type Row struct {
	ID     CardID
	Born   int64
	ModSeq int64

	UID, Kind                                string
	Name, Given, Surname, Surname2, Nickname string
	Organization, Email, Phone, Service      string
	Address, Note                            string
	Created, Updated                         int64
	members                                  string
	in                                       map[BookID]map[CardID]bool
}

// In says whether the card is in an address book, of those that Query was asked for.
func (r *Row) In(b BookID) bool { return r.in[b][r.ID] }

// HasMember says whether the card is a group with a member of this uid.
func (r *Row) HasMember(uid string) bool {
	return uid != "" && !strings.Contains(uid, "\n") && strings.Contains(r.members, "\n"+store.Clean(uid)+"\n")
}

// Text is all that is searched for a word that may be anywhere.
func (r *Row) Text() string {
	return strings.Join([]string{r.Name, r.Nickname, r.Organization, r.Email, r.Phone, r.Service, r.Address, r.Note}, "\n")
}

// Query shows every card of the account to f, with the state they are of. The row
// is f's until it returns. books are those that f asks In about.
//
// An account has some hundred cards, at most MaxCards, and each is a row of some
// hundred octets: to look at all of them needs no index, and finds parts of words.
func (s *Store) Query(ctx context.Context, account mail.AccountID, books []BookID, f func(*Row)) (state int64, err error) {
	if _, err := s.State(ctx, account); err != nil {
		return 0, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT modseq FROM contact_account WHERE account = $1`, int64(account)).Scan(&state); err != nil {
			return err
		}
		r := &Row{in: map[BookID]map[CardID]bool{}}
		for _, b := range books {
			in := map[CardID]bool{}
			r.in[b] = in
			rows, err := tx.Query(ctx, `SELECT card FROM contact_shelf WHERE book = $1`, int64(b))
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var id CardID
				err := scan(&id)
				in[id] = true
				return err
			})
			if err != nil {
				return err
			}
		}
		rows, err := tx.Query(ctx, `SELECT id, born, modseq, uid, kind, name, given, surname, surname2, nickname, organization, email, phone, service, address, note, members, created, updated
			FROM contact_card WHERE account = $1`, int64(account))
		return store.Each(rows, err, func(scan func(...any) error) error {
			if err := scan(&r.ID, &r.Born, &r.ModSeq, &r.UID, &r.Kind, &r.Name, &r.Given, &r.Surname, &r.Surname2, &r.Nickname, &r.Organization, &r.Email, &r.Phone, &r.Service,
				&r.Address, &r.Note, &r.members, &r.Created, &r.Updated); err != nil {
				return err
			}
			f(r)
			return nil
		})
	})
	return state, err
}
