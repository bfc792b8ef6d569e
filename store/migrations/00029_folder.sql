-- Albums and transfers as mailboxes: which message stands for what, and which
-- mails were dropped there and are being taken in.

-- +goose Up
CREATE TABLE folder_mail (
    email BIGINT PRIMARY KEY, -- a thing may have had several over time; each still means it
    kind  TEXT NOT NULL,      -- link kinds: album, transfer
    thing BIGINT NOT NULL,
    item  BIGINT NOT NULL     -- the photo; 0 for a transfer
);
CREATE INDEX folder_mail_thing ON folder_mail (kind, thing);
CREATE TABLE folder_drop (
    email   BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    kind    TEXT NOT NULL,
    thing   BIGINT NOT NULL, -- the album; 0 for a transfer, which is not made yet
    mail    TEXT NOT NULL,   -- as the program knows it
    key     TEXT NOT NULL,   -- idem
    created BIGINT NOT NULL,
    PRIMARY KEY (email, mailbox)
);
CREATE INDEX folder_drop_mailbox ON folder_drop (mailbox);

-- +goose Down
DROP TABLE folder_drop;
DROP TABLE folder_mail;
