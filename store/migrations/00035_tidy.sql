-- What a program shows in its mailbox takes no room in the mail: the bytes are
-- the album's or the transfer's.

-- +goose Up
ALTER TABLE email ADD COLUMN shows BIGINT NOT NULL DEFAULT 0; -- store/mailbox/weight.go
UPDATE email SET shows = 1 WHERE expunged = 0 AND id IN (SELECT email FROM folder_mail)
    AND NOT EXISTS (SELECT 1 FROM placement p JOIN mailbox m ON m.id = p.mailbox WHERE p.email = email.id AND m.program = '');
UPDATE mailbox_account SET used = used - coalesce((SELECT sum(e.size) FROM email e WHERE e.account = mailbox_account.account AND e.shows = 1), 0);

-- Photos on their way from old mails into albums: workflow/tidy.
CREATE TABLE tidy (
    id          BIGINT PRIMARY KEY, -- of the question that was answered
    account     BIGINT NOT NULL,
    lang        TEXT NOT NULL,
    before_date BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    box         BIGINT NOT NULL, -- all mails up to this one were looked at
    uid         BIGINT NOT NULL,
    mails       BIGINT NOT NULL, -- that were written anew
    photos      BIGINT NOT NULL, -- that were in them
    freed       BIGINT NOT NULL
);
CREATE INDEX tidy_account ON tidy (account);
CREATE TABLE tidy_album (
    tidy  BIGINT NOT NULL,
    year  BIGINT NOT NULL,
    album BIGINT NOT NULL,
    PRIMARY KEY (tidy, year)
);

-- +goose Down
DROP TABLE tidy_album;
DROP TABLE tidy;
UPDATE mailbox_account SET used = used + coalesce((SELECT sum(e.size) FROM email e WHERE e.account = mailbox_account.account AND e.shows = 1), 0);
ALTER TABLE email DROP COLUMN shows;
