-- IMAP capabilities that are not announced to a member, because a program of
-- theirs breaks on them.

-- +goose Up
ALTER TABLE member ADD COLUMN hidden TEXT NOT NULL DEFAULT ''; -- separated by spaces

-- +goose Down
ALTER TABLE member DROP COLUMN hidden;
