-- What members have answered while they are away, and who was answered.

-- +goose Up
CREATE TABLE absence (
    account   BIGINT PRIMARY KEY,
    enabled   BIGINT NOT NULL,
    from_date BIGINT NOT NULL, -- 0: from now on
    to_date   BIGINT NOT NULL, -- 0: until it is switched off
    subject   TEXT,            -- NULL: the mail's
    text_body TEXT,            -- NULL: of html_body, or ours
    html_body TEXT,            -- NULL: none; made harmless
    state     BIGINT NOT NULL  -- changes so far
);
CREATE TABLE absence_answer (
    account BIGINT NOT NULL,
    sender  TEXT NOT NULL,  -- folded
    mail    TEXT NOT NULL,  -- which one it answers
    at      BIGINT NOT NULL,
    PRIMARY KEY (account, sender)
);
CREATE INDEX absence_answer_at ON absence_answer (at);

-- +goose Down
DROP TABLE absence_answer;
DROP TABLE absence;
