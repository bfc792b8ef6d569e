-- Mailboxes that others than their owner see, which ones each member wants to
-- see, and what programs note about them.

-- +goose Up
-- A group is an account that belongs to several members: written by package
-- accounts only.
CREATE TABLE group_account (
    account BIGINT PRIMARY KEY,
    address TEXT NOT NULL, -- as it is written
    name    TEXT NOT NULL,
    lang    TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE TABLE group_member (
    account BIGINT NOT NULL, -- the group's
    member  BIGINT NOT NULL,
    PRIMARY KEY (account, member)
);
CREATE INDEX group_member_member ON group_member (member);

-- The tables below are written by store/mailbox only.
-- Who may do what with an account's mailboxes, beside those whose account it is.
CREATE TABLE mailbox_right (
    account BIGINT NOT NULL, -- whose mailboxes
    mailbox BIGINT NOT NULL, -- 0: all those for which the grantee has no row of their own
    grantee BIGINT NOT NULL, -- an account: a member's, or a group's
    rights  TEXT NOT NULL,   -- letters of RFC 4314; '' takes away what the row for all gives
    PRIMARY KEY (account, mailbox, grantee)
);
CREATE INDEX mailbox_right_grantee ON mailbox_right (grantee);
-- What of another account's mailbox somebody has read: \Seen is each reader's own.
CREATE TABLE mailbox_seen (
    mailbox BIGINT NOT NULL,
    viewer  BIGINT NOT NULL, -- an account
    uids    BYTEA NOT NULL,  -- ranges, as pairs of varints: UIDs skipped, UIDs in it
    PRIMARY KEY (mailbox, viewer)
);
CREATE INDEX mailbox_seen_viewer ON mailbox_seen (viewer);
-- Names that somebody wants to see, whether or not there is a mailbox (RFC 9051 §6.3.7).
CREATE TABLE subscription (
    account BIGINT NOT NULL, -- who
    name    TEXT NOT NULL,   -- as they see it
    asked   BIGINT NOT NULL, -- 0: it came with the mailbox, and goes with it
    PRIMARY KEY (account, name)
);
INSERT INTO subscription (account, name, asked) SELECT account, name, 0 FROM mailbox WHERE subscribed = 1;
ALTER TABLE mailbox DROP COLUMN subscribed;
-- Notes of programs (RFC 5464).
CREATE TABLE metadata (
    mailbox BIGINT NOT NULL, -- 0: the server
    viewer  BIGINT NOT NULL, -- the account whose private note it is; 0: shared by all
    entry   TEXT NOT NULL,   -- in lower case, without /private or /shared
    payer   BIGINT NOT NULL, -- the account whose share of the space it takes
    value   BYTEA NOT NULL,
    PRIMARY KEY (mailbox, viewer, entry)
);
CREATE INDEX metadata_payer ON metadata (payer);

-- +goose Down
DROP TABLE metadata;
ALTER TABLE mailbox ADD COLUMN subscribed BIGINT NOT NULL DEFAULT 0;
UPDATE mailbox SET subscribed = 1 WHERE EXISTS (SELECT 1 FROM subscription s WHERE s.account = mailbox.account AND s.name = mailbox.name);
DROP TABLE subscription;
DROP TABLE mailbox_seen;
DROP TABLE mailbox_right;
DROP TABLE group_member;
DROP TABLE group_account;
