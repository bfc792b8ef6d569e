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
CREATE INDEX account_domain ON account (domain);
CREATE TABLE member (
    id        BIGINT PRIMARY KEY,
    account   BIGINT NOT NULL,
    address   TEXT NOT NULL, -- primary, as it is written
    name      TEXT NOT NULL,
    lang      TEXT NOT NULL,
    plan      TEXT NOT NULL,
    password  TEXT NOT NULL, -- argon2id, PHC string; '' cannot sign in
    salt      BYTEA NOT NULL, -- of all app passwords: SCRAM names it before it knows which one is meant
    suspended BIGINT NOT NULL, -- when, 0 if not
    created   BIGINT NOT NULL
);
CREATE INDEX member_account ON member (account);
-- Every address that is somebody's. key folds case and Unicode
-- (mail.Address.Key); look also drops what the eye overlooks, so that nobody
-- gets an address that reads like another's.
CREATE TABLE address (
    key     TEXT PRIMARY KEY,
    look    TEXT NOT NULL,
    account BIGINT NOT NULL
);
CREATE UNIQUE INDEX address_look ON address (look);
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
    stored_key BYTEA NOT NULL,
    server_key BYTEA NOT NULL,
    created    BIGINT NOT NULL
);
CREATE INDEX app_password_member ON app_password (member);
-- Where a member has signed in from: guesses from elsewhere do not lock these out.
CREATE TABLE known_client (
    member BIGINT NOT NULL,
    ip     TEXT NOT NULL,
    seen   BIGINT NOT NULL,
    PRIMARY KEY (member, ip)
);

-- +goose Down
DROP TABLE known_client;
DROP TABLE app_password;
DROP TABLE alias;
DROP TABLE address;
DROP TABLE member;
DROP TABLE account;
DROP TABLE domain;
