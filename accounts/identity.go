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

// MaxIdentities is how many one member may have beside their own.
const MaxIdentities = 100

// MaxSignature bounds each signature, in octets. A picture of 48 KB in it, as a
// data: URL, takes 64,000.
const MaxSignature = 64 << 10

// OwnIdentity is the ID of the one that a member has from the beginning.
const OwnIdentity = 0

// Identity is an address that a member writes from, with what they call
// themselves there and how they sign (RFC 8621 §6).
type Identity struct {
	ID      int64
	Email   mail.Address
	Name    string
	ReplyTo []mail.Mailbox // nil: none
	Bcc     []mail.Mailbox // nil: none
	Text    string         // signature
	HTML    string         // signature; whoever sets it has made it harmless
}

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

// Identities are a member's, their own first, then in the order in which they
// were made. state is another number after every change.
func (s *Service) Identities(ctx context.Context, u mail.UserID) (list []Identity, state int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if list, err = ownIdentity(ctx, tx, u, &state); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT i.id, i.email, i.name, i.reply_to, i.bcc, i.text_signature, i.html_signature
			FROM identity i JOIN member m ON m.account = i.account WHERE m.id = $1 AND i.gone = 0 AND i.id <> 0 ORDER BY i.created`, int64(u))
		return store.Each(rows, err, func(scan func(...any) error) error {
			i, err := scanIdentity(scan)
			list = append(list, i)
			return err
		})
	})
	return list, state, kinded(err)
}

// ownIdentity is the one of the member's own address, changed or not.
func ownIdentity(ctx context.Context, tx *store.Tx, u mail.UserID, state *int64) ([]Identity, error) {
	i, err := scanIdentity(tx.QueryRow(ctx, `SELECT coalesce(i.id, 0), m.address, coalesce(i.name, m.name), coalesce(i.reply_to, ''), coalesce(i.bcc, ''),
		coalesce(i.text_signature, ''), coalesce(i.html_signature, ''), a.identities FROM member m JOIN account a ON a.id = m.account
		LEFT JOIN identity i ON i.account = m.account AND i.id = 0 WHERE m.id = $1`, int64(u)).Scan, state)
	if errors.Is(err, store.ErrNoRows) {
		err = mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return []Identity{i}, err
}

func scanIdentity(scan func(...any) error, more ...any) (i Identity, err error) {
	var email, replyTo, bcc string
	if err := scan(append([]any{&i.ID, &email, &i.Name, &replyTo, &bcc, &i.Text, &i.HTML}, more...)...); err != nil {
		return i, err
	}
	if i.Email, err = mail.ParseAddress(email); err != nil {
		return i, err
	}
	if i.ReplyTo, err = mailboxes(replyTo); err != nil {
		return i, err
	}
	i.Bcc, err = mailboxes(bcc)
	return i, err
}

func mailboxes(text string) (list []mail.Mailbox, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &list)
	}
	return list, err
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

// CalledAt is the name that a member goes by at an address of theirs: that of its
// identity, else the own one's. Kind NotYours when it is none of theirs.
func (s *Service) CalledAt(ctx context.Context, u mail.UserID, a mail.Address) (string, error) {
	if err := s.MaySend(ctx, u, a); err != nil {
		return "", err
	}
	list, _, err := s.Identities(ctx, u)
	if err != nil {
		return "", err
	}
	for _, i := range list {
		if i.Email.Key() == a.Key() {
			return i.Name, nil
		}
	}
	return list[0].Name, nil
}
