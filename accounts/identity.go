package accounts

import (
	"context"
	"encoding/json"
	"errors"

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
