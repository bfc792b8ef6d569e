-- The keys our mail is signed with: written by package dkim/keyring only.

-- +goose Up
CREATE TABLE dkim_key (
    domain    TEXT NOT NULL,   -- A-labels, lower case
    selector  TEXT NOT NULL,
    algorithm TEXT NOT NULL,   -- 'rsa', 'ed25519'
    state     TEXT NOT NULL,   -- keyring.State
    record    TEXT NOT NULL,   -- the public half, as its TXT record
    sealed    BYTEA NOT NULL,  -- the private half, encrypted; empty once revoked
    made      BIGINT NOT NULL,
    since     BIGINT NOT NULL, -- when state began
    due       BIGINT NOT NULL, -- not used for signing before
    seen      BIGINT NOT NULL, -- when the DNS last had what we want there, 0 never
    trouble   BIGINT NOT NULL, -- since when it has not, though it had; 0 is no trouble
    told      BIGINT NOT NULL, -- when a person was asked to do something about it, 0 not yet
    PRIMARY KEY (domain, selector)
);
-- Two nodes that think of the same at once: one of them is too late.
CREATE UNIQUE INDEX dkim_key_next ON dkim_key (domain, algorithm) WHERE state = 'made' OR state = 'published';
CREATE UNIQUE INDEX dkim_key_active ON dkim_key (domain, algorithm) WHERE state = 'active';

-- +goose Down
DROP TABLE dkim_key;
