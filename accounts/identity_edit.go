package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"colporteur/mail"
	"colporteur/store"
)

// IdentityEdit makes, changes or removes one. What is nil stays as it is, or
// begins empty.
type IdentityEdit struct {
	Make   mail.Address // not zero: a new one, of this address
	ID     int64        // else which; of a new one it is filled in
	Remove bool

	Name         *string
	ReplyTo, Bcc *[]mail.Mailbox
	Text, HTML   *string
}

// EditIdentities makes all edits that can be made in one transaction, in their
// order, and says for each what kept it from being made. ifState, when not nil,
// is the state that they are meant for: kind Conflict when it is another, and
// nothing is changed. Kinds of the errs: NotYours (the member may not send from
// the address), NotFound, Forbidden (the own one stays), TooBig, BadContent,
// OverQuota.
func (s *Service) EditIdentities(ctx context.Context, u mail.UserID, ifState *int64, edits []*IdentityEdit) (errs []error, before, after int64, err error) {
	may := make([]error, len(edits))
	for i, e := range edits {
		if may[i] = e.check(); may[i] == nil && !e.Make.IsZero() {
			// Asked outside the transaction; what ceases to be theirs meanwhile is
			// refused when they send.
			may[i] = s.MaySend(ctx, u, e.Make)
		}
		if mail.Is(may[i], mail.Unavailable) || mail.Is(may[i], mail.Internal) {
			return nil, 0, 0, may[i]
		}
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		errs = slices.Clone(may)
		var account mail.AccountID
		err := tx.QueryRow(ctx, `SELECT id, identities FROM account WHERE id = (SELECT account FROM member WHERE id = $1) FOR UPDATE`, int64(u)).Scan(&account, &before)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Refuse(mail.NotFound, "accounts-no-member")
		}
		if err != nil {
			return err
		}
		if ifState != nil && *ifState != before {
			return mail.Wrap(mail.Conflict, errors.New("identities: they were changed meanwhile"))
		}
		after = before
		for i, e := range edits {
			if errs[i] != nil {
				continue
			}
			err := e.make(ctx, tx, account, after+1)
			var known *mail.Error
			if errors.As(err, &known) {
				errs[i] = err
				continue
			}
			if err != nil {
				return err
			}
			after++
		}
		if after == before {
			return nil
		}
		s.renews(tx, account)
		return nowAt(ctx, tx, account, after)
	})
	return errs, before, after, kinded(err)
}

// nowAt notes how many changes there were.
func nowAt(ctx context.Context, tx *store.Tx, account mail.AccountID, n int64) error {
	if _, err := tx.Exec(ctx, `UPDATE account SET identities = $1 WHERE id = $2`, n, int64(account)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM identity WHERE account = $1 AND gone > 0 AND gone <= $2`, int64(account), n-remembersIdentities)
	return err
}

func (e *IdentityEdit) check() error {
	if e.Name != nil && utf8.RuneCountInString(*e.Name) > 200 {
		return mail.Refuse(mail.BadContent, "identity-name")
	}
	for _, text := range []*string{e.Text, e.HTML} {
		if text != nil && len(*text) > MaxSignature {
			return mail.Refuse(mail.TooBig, "identity-signature")
		}
	}
	for _, list := range []*[]mail.Mailbox{e.ReplyTo, e.Bcc} {
		if list == nil {
			continue
		}
		if len(*list) > 20 {
			return mail.Refuse(mail.BadContent, "identity-addresses", "Max", 20)
		}
		for _, m := range *list {
			if _, err := mail.ParseAddress(m.Addr); err != nil || len(m.Name) > 1000 {
				return mail.Refuse(mail.BadAddress, "bad-address", "Address", m.Addr)
			}
		}
	}
	return nil
}

// make does it as the nth change of the account.
func (e *IdentityEdit) make(ctx context.Context, tx *store.Tx, account mail.AccountID, n int64) error {
	switch {
	case e.Remove:
		if e.ID == OwnIdentity {
			return mail.Refuse(mail.Forbidden, "identity-own")
		}
		// Its words are nobody's any more; the row says for a while that it went.
		return one(tx.Exec(ctx, `UPDATE identity SET gone = $1, changed = $1, name = '', reply_to = '', bcc = '', text_signature = '', html_signature = ''
			WHERE account = $2 AND id = $3 AND gone = 0`, n, int64(account), e.ID))
	case !e.Make.IsZero():
		var have int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM identity WHERE account = $1 AND gone = 0 AND id <> 0`, int64(account)).Scan(&have); err != nil {
			return err
		}
		if have >= MaxIdentities {
			return mail.Refuse(mail.OverQuota, "identity-many", "Max", MaxIdentities)
		}
		e.ID = store.NewID()
		if err := insertIdentity(ctx, tx, account, e.ID, "", e.Make.String(), n); err != nil {
			return err
		}
	case e.ID == OwnIdentity:
		if err := insertIdentity(ctx, tx, account, e.ID, nil, "", n); err != nil {
			return err
		}
	}
	return e.change(ctx, tx, account, n)
}

// insertIdentity makes an empty one, unless it is there. name nil: the member's.
func insertIdentity(ctx context.Context, tx *store.Tx, account mail.AccountID, id int64, name any, email string, n int64) error {
	created := n
	if id == OwnIdentity {
		created = 0
	}
	_, err := tx.Exec(ctx, `INSERT INTO identity (account, id, name, email, reply_to, bcc, text_signature, html_signature, created, changed, gone)
		VALUES ($1, $2, $3, $4, '', '', '', '', $5, $6, 0) ON CONFLICT (account, id) DO NOTHING`, int64(account), id, name, store.Clean(email), created, n)
	return err
}

func (e *IdentityEdit) change(ctx context.Context, tx *store.Tx, account mail.AccountID, n int64) error {
	set := func(column string, to any) error {
		return one(tx.Exec(ctx, `UPDATE identity SET `+column+` = $1 WHERE account = $2 AND id = $3 AND gone = 0`, to, int64(account), e.ID))
	}
	if err := set("changed", n); err != nil {
		return err
	}
	if e.Name != nil {
		if err := set("name", clean(*e.Name)); err != nil {
			return err
		}
	}
	for column, text := range map[string]*string{"text_signature": e.Text, "html_signature": e.HTML} {
		if text != nil {
			if err := set(column, store.Clean(*text)); err != nil {
				return err
			}
		}
	}
	for column, list := range map[string]*[]mail.Mailbox{"reply_to": e.ReplyTo, "bcc": e.Bcc} {
		if list == nil {
			continue
		}
		text := ""
		if *list != nil {
			b, err := json.Marshal(*list)
			if err != nil {
				return err
			}
			text = store.Clean(string(b))
		}
		if err := set(column, text); err != nil {
			return err
		}
	}
	return nil
}

// one wants that a statement found its row; kind NotFound.
func one(n int64, err error) error {
	if err == nil && n == 0 {
		return mail.Refuse(mail.NotFound, "identity-none")
	}
	return err
}

// renamed notes that the member's own identity is called differently now, as the
// member is.
func (s *Service) renamed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var n int64
	if err := tx.QueryRow(ctx, `UPDATE account SET identities = identities + 1 WHERE id = $1 RETURNING identities`, int64(account)).Scan(&n); err != nil {
		return err
	}
	if err := insertIdentity(ctx, tx, account, OwnIdentity, nil, "", n); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE identity SET changed = $1 WHERE account = $2 AND id = 0`, n, int64(account))
	s.renews(tx, account)
	return err
}

// renews wakes the programs that watch the account, once the change is durable.
func (s *Service) renews(tx *store.Tx, account mail.AccountID) {
	if s.Renewed != nil {
		s.Renewed(tx, account)
	}
}
