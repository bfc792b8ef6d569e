package mailbox

import (
	"context"
	"fmt"

	"colporteur/store"
)

// leap is by how much a restore moves the counters on: more than any account
// changed between a backup and the day it is needed.
const leap = 1 << 20

// Restored is called once on a database that came out of a backup. Programs of
// members have seen a later state than it holds: UIDs and modseqs that would
// be given a second time, to other mails and other changes. So the counters
// leap ahead, and every mail counts as changed just now: a program that asks
// what changed since its last visit hears of all flags as they are. A tombstone
// is put on the UIDs leapt over: some of them were mails that came after the
// backup, which programs still show.
func (s *Store) Restored(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE mailbox_account SET modseq = modseq + $1, floor = modseq + $1, shared = modseq + $1`, leap); err != nil {
			return fmt.Errorf("restored: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO tombstone (mailbox, uid, modseq, email, size)
			SELECT m.id, m.uidnext, a.modseq, $1, $2 FROM mailbox AS m JOIN mailbox_account AS a ON a.account = m.account`, lostMails, leap); err != nil {
			return fmt.Errorf("restored: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE mailbox SET uidnext = uidnext + $1,
			highest = (SELECT a.modseq FROM mailbox_account AS a WHERE a.account = mailbox.account)`, leap); err != nil {
			return fmt.Errorf("restored: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE placement SET modseq = (SELECT m.highest FROM mailbox AS m WHERE m.id = placement.mailbox)`); err != nil {
			return fmt.Errorf("restored: %w", err)
		}
		return nil
	})
}
