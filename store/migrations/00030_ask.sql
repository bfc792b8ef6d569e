-- Questions with two answers, that wait for one.

-- +goose Up
CREATE TABLE question (
    id       BIGINT PRIMARY KEY,
    kind     TEXT NOT NULL,   -- who hears the answer
    ref      BIGINT NOT NULL, -- theirs
    payload  BYTEA NOT NULL,  -- theirs
    key      TEXT NOT NULL,   -- asked once for it
    member   BIGINT NOT NULL, -- 0: somebody elsewhere
    person   TEXT NOT NULL,
    lang     TEXT NOT NULL,
    letter   BYTEA NOT NULL,  -- as JSON: what the page says
    yes      TEXT NOT NULL,
    no       TEXT NOT NULL,
    until    BIGINT NOT NULL,
    answer   BIGINT NOT NULL, -- 0 none yet, 1 yes, 2 no, 3 nobody answered in time
    answered BIGINT NOT NULL,
    created  BIGINT NOT NULL
);
CREATE UNIQUE INDEX question_key ON question (kind, key);
CREATE INDEX question_until ON question (until) WHERE answer = 0;

-- +goose Down
DROP TABLE question;
