-- Downloads that count, what ends and can come back, and guesses at passwords.

-- +goose Up
ALTER TABLE transfer ADD COLUMN purged BIGINT NOT NULL DEFAULT 0;   -- when its bytes went; until then its owner can bring it back
ALTER TABLE transfer ADD COLUMN reminded BIGINT NOT NULL DEFAULT 0; -- for which end reminders were sent
UPDATE transfer SET purged = ended WHERE ended > 0;
ALTER TABLE transfer_file ADD COLUMN crc BIGINT NOT NULL DEFAULT -1; -- CRC-32 for zip, -1: not known yet

-- A grant is one press of the button. Bytes count under it alone.
CREATE TABLE transfer_grant (
    id       BIGINT PRIMARY KEY,
    token    BYTEA NOT NULL,  -- SHA-256
    transfer BIGINT NOT NULL,
    link     BIGINT NOT NULL,
    file     BIGINT NOT NULL, -- seq; -1 all in one
    taken    TEXT NOT NULL,   -- which bytes: "0-99,200-299"
    created  BIGINT NOT NULL,
    counted  BIGINT NOT NULL  -- when all of it was taken, 0 not yet
);
CREATE UNIQUE INDEX transfer_grant_token ON transfer_grant (token);
CREATE INDEX transfer_grant_transfer ON transfer_grant (transfer);
-- Which files the holder of a link has.
CREATE TABLE transfer_fetched (
    link     BIGINT NOT NULL,
    file     BIGINT NOT NULL,
    transfer BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (link, file)
);
CREATE INDEX transfer_fetched_transfer ON transfer_fetched (transfer);

CREATE TABLE link_guess (
    link BIGINT NOT NULL,
    who  TEXT NOT NULL, -- keyed hash of the network they come from; '' all together
    hour BIGINT NOT NULL,
    n    BIGINT NOT NULL,
    PRIMARY KEY (link, who, hour)
);
-- The code that was mailed last is derived from n; it is not kept.
CREATE TABLE link_code (
    link  BIGINT PRIMARY KEY,
    n     BIGINT NOT NULL,
    until BIGINT NOT NULL,
    tries BIGINT NOT NULL
);

-- +goose Down
DROP TABLE link_code;
DROP TABLE link_guess;
DROP TABLE transfer_fetched;
DROP TABLE transfer_grant;
ALTER TABLE transfer_file DROP COLUMN crc;
ALTER TABLE transfer DROP COLUMN reminded;
ALTER TABLE transfer DROP COLUMN purged;
