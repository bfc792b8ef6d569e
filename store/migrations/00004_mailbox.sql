-- Mailboxes: written by store/mailbox only.

-- +goose Up
CREATE TABLE mailbox_account (
    account     BIGINT PRIMARY KEY,
    modseq      BIGINT NOT NULL, -- the last one given, for the whole account
    used        BIGINT NOT NULL, -- bytes that count against the quota
    uidvalidity BIGINT NOT NULL  -- the last one given
);
CREATE TABLE mailbox (
    id          BIGINT PRIMARY KEY,
    account     BIGINT NOT NULL,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    subscribed  BIGINT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uidnext     BIGINT NOT NULL,
    highest     BIGINT NOT NULL, -- modseq of the last change
    total       BIGINT NOT NULL,
    unseen      BIGINT NOT NULL,
    size        BIGINT NOT NULL
);
CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name);
-- One mail in one account, in however many mailboxes.
CREATE TABLE email (
    id       BIGINT PRIMARY KEY,
    account  BIGINT NOT NULL,
    message  BIGINT NOT NULL,
    thread   BIGINT NOT NULL,
    size     BIGINT NOT NULL, -- prefix and message
    expunged BIGINT NOT NULL, -- when its last placement went; 0 while it has one
    prefix   BYTEA NOT NULL,  -- header lines of ours, served before the message
    sig      BYTEA NOT NULL   -- search signature
);
CREATE INDEX email_message ON email (message);
CREATE INDEX email_account ON email (account);
CREATE INDEX email_expunged ON email (expunged) WHERE expunged > 0;
-- What a listing needs stands here, so that it touches no other table.
CREATE TABLE placement (
    mailbox BIGINT NOT NULL,
    uid     BIGINT NOT NULL,
    email   BIGINT NOT NULL,
    message BIGINT NOT NULL,
    thread  BIGINT NOT NULL,
    modseq  BIGINT NOT NULL,
    date    BIGINT NOT NULL,
    size    BIGINT NOT NULL,
    flags   TEXT NOT NULL, -- separated by spaces, sorted
    PRIMARY KEY (mailbox, uid)
);
CREATE INDEX placement_modseq ON placement (mailbox, modseq);
CREATE INDEX placement_email ON placement (email);
CREATE TABLE tombstone (
    mailbox BIGINT NOT NULL,
    uid     BIGINT NOT NULL,
    modseq  BIGINT NOT NULL,
    PRIMARY KEY (mailbox, uid)
);
CREATE INDEX tombstone_modseq ON tombstone (mailbox, modseq);
-- Which thread a message id belongs to; ids are 64-bit hashes.
CREATE TABLE thread_ref (
    account BIGINT NOT NULL,
    hash    BIGINT NOT NULL,
    thread  BIGINT NOT NULL,
    PRIMARY KEY (account, hash)
);

-- +goose Down
DROP TABLE thread_ref;
DROP TABLE tombstone;
DROP TABLE placement;
DROP TABLE email;
DROP TABLE mailbox;
DROP TABLE mailbox_account;
