-- Who there is: written by package accounts only.

-- +goose Up
CREATE TABLE domain (
    name    TEXT PRIMARY KEY, -- A-labels, lower case
    created BIGINT NOT NULL
);
-- An account owns mailboxes and quota; today each has one member.
CREATE TABLE account (
    id        BIGINT PRIMARY KEY,
    domain    TEXT NOT NULL,
    quota     BIGINT NOT NULL, -- bytes, 0 is no limit
    created   BIGINT NOT NULL
);
CREATE TABLE member (
    id        BIGINT PRIMARY KEY,
    account   BIGINT NOT NULL,
    address   TEXT NOT NULL, -- primary, as it is written
    name      TEXT NOT NULL,
    lang      TEXT NOT NULL,
    plan      TEXT NOT NULL,
    password  TEXT NOT NULL, -- argon2id, PHC string; '' cannot sign in
    suspended BIGINT NOT NULL, -- when, 0 if not
    created   BIGINT NOT NULL
);
CREATE INDEX member_account ON member (account);
-- Every address that is somebody's. key folds case and Unicode (mail.Address.Key).
CREATE TABLE address (
    key     TEXT PRIMARY KEY,
    account BIGINT NOT NULL
);
CREATE INDEX address_account ON address (account);
CREATE TABLE alias (
    key    TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (key, target)
);
-- Random passwords for programs: SCRAM-SHA-256 verifiers (RFC 5802), never the password.
CREATE TABLE app_password (
    id         BIGINT PRIMARY KEY,
    member     BIGINT NOT NULL,
    name       TEXT NOT NULL,
    salt       BYTEA NOT NULL,
    iterations BIGINT NOT NULL,
    stored_key BYTEA NOT NULL,
    server_key BYTEA NOT NULL,
    created    BIGINT NOT NULL,
    used       BIGINT NOT NULL
);
CREATE INDEX app_password_member ON app_password (member);

-- +goose Down
DROP TABLE app_password;
DROP TABLE alias;
DROP TABLE address;
DROP TABLE member;
DROP TABLE account;
DROP TABLE domain;
