-- What is needed to read a mail that is gone from a mailbox and that a session
-- still sees there. Rows from before have none of it: an email of 0.

-- +goose Up
ALTER TABLE tombstone ADD COLUMN email BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tombstone ADD COLUMN message BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tombstone ADD COLUMN thread BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tombstone ADD COLUMN date BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tombstone ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tombstone ADD COLUMN flags TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE tombstone DROP COLUMN flags;
ALTER TABLE tombstone DROP COLUMN size;
ALTER TABLE tombstone DROP COLUMN date;
ALTER TABLE tombstone DROP COLUMN thread;
ALTER TABLE tombstone DROP COLUMN message;
ALTER TABLE tombstone DROP COLUMN email;
