-- Mailboxes that a program stands behind: which, and what of its own it is about.

-- +goose Up
ALTER TABLE mailbox ADD COLUMN program TEXT NOT NULL DEFAULT ''; -- '': a mailbox like any other
ALTER TABLE mailbox ADD COLUMN ref BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE mailbox DROP COLUMN ref;
ALTER TABLE mailbox DROP COLUMN program;
