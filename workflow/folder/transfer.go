package folder

import (
	"context"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// transfers is the folder Envois.
type transfers struct{ *Service }

var _ mailbox.Program = (*transfers)(nil)

// Arrive: what stood for a transfer brings it back while that is possible; a
// mail with files becomes one.
func (t *transfers) Arrive(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, _ mailbox.How, mails []mailbox.Entry) error {
	for _, e := range mails {
		what, known, err := meaning(ctx, tx, e.Email)
		if err != nil {
			return err
		}
		if known && what.kind == link.Transfer {
			err := t.Transfers.RestoreIn(ctx, tx, transfer.ID(what.thing))
			if mail.Is(err, mail.NotFound) {
				return mail.Refuse(mail.Policy, "folder-transfer-over")
			}
			if err != nil {
				return err
			}
			continue
		}
		sum, err := t.summary(ctx, tx, e)
		if err != nil {
			return err
		}
		if !hasFiles(sum) {
			return mail.Refuse(mail.Policy, "folder-no-file")
		}
		if err := t.drop(ctx, tx, box, e, link.Transfer, 0, "envoi", "envoi"); err != nil {
			return err
		}
	}
	return nil
}

func (t *transfers) Leave(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, _ mailbox.How, mails []mailbox.Entry, _ mailbox.ID) error {
	return t.end(ctx, tx, box, mails)
}

func (t *transfers) Mark(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, mails []mailbox.Entry, deleted bool) error {
	if deleted {
		return t.end(ctx, tx, box, mails)
	}
	for _, e := range mails {
		what, known, err := meaning(ctx, tx, e.Email)
		if err != nil {
			return err
		}
		if known && what.kind == link.Transfer {
			if err := t.Transfers.RestoreIn(ctx, tx, transfer.ID(what.thing)); err != nil && !mail.Is(err, mail.NotFound) {
				return err
			}
		}
	}
	return nil
}

// end takes links off whose messages are not in the folder any more.
func (t *transfers) end(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, mails []mailbox.Entry) error {
	for _, e := range mails {
		what, known, err := meaning(ctx, tx, e.Email)
		if err != nil {
			return err
		}
		if !known || what.kind != link.Transfer {
			continue
		}
		if there, err := still(ctx, tx, box.ID, e.Email); err != nil {
			return err
		} else if there {
			continue
		}
		if err := t.Transfers.EndIn(ctx, tx, transfer.ID(what.thing)); err != nil && !mail.Is(err, mail.NotFound) {
			return err
		}
	}
	return nil
}

func (t *transfers) Rename(context.Context, *store.Tx, mailbox.Mailbox, string) error { return nil }

// Delete: what was in it has left it, and is off the web. The next transfer makes
// the folder again.
func (t *transfers) Delete(context.Context, *store.Tx, mailbox.Mailbox) error { return nil }
