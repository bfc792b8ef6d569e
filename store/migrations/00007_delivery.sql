-- What the Door remembers: written by package delivery only.

-- +goose Up
-- Mails of our own making that were accepted: a bounce or a notice whose job
-- runs twice is sent once.
CREATE TABLE accepted_once (
    key TEXT PRIMARY KEY,
    at  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE accepted_once;
