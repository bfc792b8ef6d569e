-- What a program shows in its mailbox takes no room in the mail: the bytes are
-- the album's or the transfer's.

-- +goose Up
ALTER TABLE email ADD COLUMN shows BIGINT NOT NULL DEFAULT 0; -- store/mailbox/weight.go
UPDATE email SET shows = 1 WHERE expunged = 0 AND id IN (SELECT email FROM folder_mail)
    AND NOT EXISTS (SELECT 1 FROM placement p JOIN mailbox m ON m.id = p.mailbox WHERE p.email = email.id AND m.program = '');
UPDATE mailbox_account SET used = used - coalesce((SELECT sum(e.size) FROM email e WHERE e.account = mailbox_account.account AND e.shows = 1), 0);

-- +goose Down
UPDATE mailbox_account SET used = used + coalesce((SELECT sum(e.size) FROM email e WHERE e.account = mailbox_account.account AND e.shows = 1), 0);
ALTER TABLE email DROP COLUMN shows;
