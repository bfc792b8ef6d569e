-- What searches ask: written by store/mailbox, but for blob.beside.

-- +goose Up
-- The folded words of a mail, packed and sealed, so that a search reads them instead of the mail.
ALTER TABLE blob ADD COLUMN beside BYTEA;
-- The emails of an account whose ids are from first to last, made ready for
-- search together. Ranges of one account do not overlap. A block never changes:
-- another one replaces it.
CREATE TABLE search_block (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    first   BIGINT NOT NULL, -- email ids
    last    BIGINT NOT NULL,
    mails   BIGINT NOT NULL,
    slots   BIGINT NOT NULL  -- rows of the block's matrix
);
CREATE UNIQUE INDEX search_block_first ON search_block (account, first);
-- Some rows of the matrix: a bit for each mail that may have a sequence of letters.
CREATE TABLE search_page (
    block BIGINT NOT NULL,
    page  BIGINT NOT NULL,
    bits  BYTEA NOT NULL,
    PRIMARY KEY (block, page)
);
-- One header field, or one thing to sort by, of all mails of the block.
CREATE TABLE search_column (
    block BIGINT NOT NULL,
    name  TEXT NOT NULL,
    size  BIGINT NOT NULL, -- before it was packed
    data  BYTEA NOT NULL,
    PRIMARY KEY (block, name)
);
-- The emails of an account in the order they came.
CREATE INDEX email_order ON email (account, id);
DROP INDEX email_account;

-- +goose Down
CREATE INDEX email_account ON email (account);
DROP INDEX email_order;
DROP TABLE search_column;
DROP TABLE search_page;
DROP TABLE search_block;
ALTER TABLE blob DROP COLUMN beside;
