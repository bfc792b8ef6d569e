-- What members call themselves when they write, and sign with.

-- +goose Up
ALTER TABLE account ADD COLUMN identities BIGINT NOT NULL DEFAULT 0; -- changes of them so far
CREATE TABLE identity (
    account        BIGINT NOT NULL,
    id             BIGINT NOT NULL, -- 0: of the member's own address, there from the beginning
    name           TEXT,            -- NULL: the member's
    email          TEXT NOT NULL,   -- '' of the own
    reply_to       TEXT NOT NULL,   -- JSON, '' for none
    bcc            TEXT NOT NULL,   -- JSON, '' for none
    text_signature TEXT NOT NULL,
    html_signature TEXT NOT NULL,   -- made harmless
    created        BIGINT NOT NULL, -- which change of the account's it was made by
    changed        BIGINT NOT NULL, -- and last changed by
    gone           BIGINT NOT NULL, -- and removed by, 0 if not
    PRIMARY KEY (account, id)
);

-- +goose Down
DROP TABLE identity;
ALTER TABLE account DROP COLUMN identities;
