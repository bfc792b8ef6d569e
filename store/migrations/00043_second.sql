-- A member's second factor, and links that bring an account to a device.

-- +goose Up
ALTER TABLE member ADD COLUMN second BIGINT NOT NULL DEFAULT 0; -- since when a code is asked for, 0 if none is
CREATE TABLE second_factor (
    member BIGINT PRIMARY KEY,
    secret BYTEA NOT NULL,  -- sealed: codes are made from it
    step   BIGINT NOT NULL  -- the latest that a code was taken of: none is taken twice
);
CREATE TABLE recovery_code (
    hash   BYTEA PRIMARY KEY, -- keyed; with the member in it
    member BIGINT NOT NULL
);
CREATE INDEX recovery_code_member ON recovery_code (member);
-- Somebody who gave the right password and not yet the code.
CREATE TABLE web_half (
    hash    BYTEA PRIMARY KEY, -- SHA-256 of the cookie
    member  BIGINT NOT NULL,
    stamp   BYTEA NOT NULL,
    kept    BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX web_half_expires ON web_half (expires);
CREATE TABLE device_link (
    hash    BYTEA PRIMARY KEY, -- SHA-256 of the token in the address
    member  BIGINT NOT NULL,
    stamp   BYTEA NOT NULL,    -- of the password it was made under; another password ends it
    kind    TEXT NOT NULL,     -- "apple", "android"
    expires BIGINT NOT NULL
);
CREATE INDEX device_link_member ON device_link (member);

-- +goose Down
DROP TABLE device_link;
DROP TABLE web_half;
DROP TABLE recovery_code;
DROP TABLE second_factor;
ALTER TABLE member DROP COLUMN second;
