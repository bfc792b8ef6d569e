-- Addresses that are offered while one is typed.

-- +goose Up
-- Whom a member has written to.
CREATE TABLE addressed (
    account BIGINT NOT NULL,
    key     TEXT NOT NULL,   -- of the address
    address TEXT NOT NULL,
    name    TEXT NOT NULL,
    words   TEXT NOT NULL,   -- of both, folded, each between blanks
    times   BIGINT NOT NULL,
    last    BIGINT NOT NULL,
    rank    BIGINT NOT NULL, -- how often and how recently, as one time; see addressed.go
    PRIMARY KEY (account, key)
);
CREATE INDEX addressed_rank ON addressed (account, rank);
-- The addresses on cards.
CREATE TABLE contact_email (
    card    BIGINT NOT NULL,
    key     TEXT NOT NULL,
    account BIGINT NOT NULL,
    address TEXT NOT NULL,
    name    TEXT NOT NULL,
    words   TEXT NOT NULL,
    PRIMARY KEY (card, key)
);
CREATE INDEX contact_email_account ON contact_email (account);

-- +goose Down
DROP TABLE contact_email;
DROP TABLE addressed;
