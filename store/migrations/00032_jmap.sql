-- What is needed to tell what changed in a whole account since a modseq.

-- +goose Up
-- The modseq at which a mail came into this mailbox, and the last at which it got
-- \Deleted or lost it. 0: never, or before this was kept; see mailbox_account.floor.
ALTER TABLE placement ADD COLUMN born BIGINT NOT NULL DEFAULT 0;
ALTER TABLE placement ADD COLUMN turned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tombstone ADD COLUMN born BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tombstone ADD COLUMN turned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN born BIGINT NOT NULL DEFAULT 0;    -- modseq at which it was made
ALTER TABLE mailbox ADD COLUMN revised BIGINT NOT NULL DEFAULT 0; -- and at which something other than its counts last changed
-- Mailboxes that are gone. Their tombstones stay as long as these rows.
CREATE TABLE mailbox_gone (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    born    BIGINT NOT NULL,
    modseq  BIGINT NOT NULL, -- at which it went
    time    BIGINT NOT NULL,
    readers TEXT NOT NULL    -- who had which rights, beside its owner: "ACCOUNT:RIGHTS ACCOUNT:RIGHTS"
);
CREATE INDEX mailbox_gone_account ON mailbox_gone (account, modseq);
-- Changes since before floor cannot be told; those that others than the owner
-- see, since before shared: who may see what was different then.
ALTER TABLE mailbox_account ADD COLUMN floor BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailbox_account ADD COLUMN shared BIGINT NOT NULL DEFAULT 0;
UPDATE mailbox_account SET floor = modseq, shared = modseq;
-- Has the mail something a person would call an attachment: 1, 0, or 2, not looked yet.
ALTER TABLE email ADD COLUMN attached BIGINT NOT NULL DEFAULT 2;
CREATE INDEX email_attached ON email (account, attached) WHERE attached > 0;
CREATE INDEX email_thread ON email (thread);

-- +goose Down
DROP INDEX email_thread;
DROP INDEX email_attached;
ALTER TABLE email DROP COLUMN attached;
ALTER TABLE mailbox_account DROP COLUMN shared;
ALTER TABLE mailbox_account DROP COLUMN floor;
DROP TABLE mailbox_gone;
ALTER TABLE mailbox DROP COLUMN revised;
ALTER TABLE mailbox DROP COLUMN born;
ALTER TABLE tombstone DROP COLUMN turned;
ALTER TABLE tombstone DROP COLUMN born;
ALTER TABLE placement DROP COLUMN turned;
ALTER TABLE placement DROP COLUMN born;
