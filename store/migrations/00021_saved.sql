-- When a mail came into the mailbox it is in (RFC 8514).

-- +goose Up
ALTER TABLE placement ADD COLUMN saved BIGINT NOT NULL DEFAULT 0; -- 0: before this was kept

-- +goose Down
ALTER TABLE placement DROP COLUMN saved;
