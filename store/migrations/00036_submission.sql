-- Mails that members' programs have sent over JMAP.

-- +goose Up
CREATE TABLE submission (
    id       BIGINT PRIMARY KEY,
    account  BIGINT NOT NULL,
    identity TEXT NOT NULL,
    email    BIGINT NOT NULL,
    thread   BIGINT NOT NULL,
    mail     TEXT NOT NULL,   -- as the trace knows it
    envelope BYTEA NOT NULL,  -- JSON: as the client said, or as it was made
    send_at  BIGINT NOT NULL,
    canceled BIGINT NOT NULL, -- when, 0 if not
    created  BIGINT NOT NULL
);
CREATE INDEX submission_account ON submission (account, created);

-- +goose Down
DROP TABLE submission;
