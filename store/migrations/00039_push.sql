-- Where news are pushed to, and the key that says they are ours: written by
-- webgateway/push only.

-- +goose Up
CREATE TABLE push_subscription (
    id         BIGINT PRIMARY KEY,
    member     BIGINT NOT NULL,
    credential TEXT NOT NULL,   -- what the member had signed in with; it ends when that does
    device     TEXT NOT NULL,   -- deviceClientId: what the client calls itself
    place      BYTEA NOT NULL,  -- address and keys, sealed: whoever has them can push
    address    BYTEA NOT NULL, -- MAC of the address: one member has it once
    host       TEXT NOT NULL,   -- of the address
    types      TEXT NOT NULL,   -- separated by spaces; '' for all
    verified   BIGINT NOT NULL, -- 1: the code that was pushed there came back
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    noted      TEXT NOT NULL,   -- the states that were last seen here, as JSON
    told       TEXT NOT NULL,   -- and those last pushed
    pushed     BIGINT NOT NULL, -- when that was, 0 never
    awaited    BIGINT NOT NULL, -- until when a job is counted on; 0 there is none
    failing    BIGINT NOT NULL  -- since when every push has failed, 0 while they do not
);
CREATE INDEX push_subscription_member ON push_subscription (member);
CREATE INDEX push_subscription_expires ON push_subscription (expires);
CREATE TABLE push_key (
    id     BIGINT PRIMARY KEY, -- 1: there is one
    sealed BYTEA NOT NULL      -- P-256, encrypted
);
-- The modseq at which a mail last came that nobody had read yet.
ALTER TABLE mailbox_account ADD COLUMN delivered BIGINT NOT NULL DEFAULT 0;
UPDATE mailbox_account SET delivered = modseq;

-- +goose Down
ALTER TABLE mailbox_account DROP COLUMN delivered;
DROP TABLE push_key;
DROP TABLE push_subscription;
