-- Large mail to hosts elsewhere: whether a member wants its files taken out, and
-- the mails that wait for the answer. And which bodies are kept decoded, so that
-- one file of one member is stored once.

-- +goose Up
ALTER TABLE member ADD COLUMN outgoing TEXT NOT NULL DEFAULT 'ask'; -- ask, yes, no
ALTER TABLE member ADD COLUMN outgoing_limit BIGINT NOT NULL DEFAULT 0; -- octets; 0: the host's

CREATE TABLE outgoing_held (
    id      BIGINT PRIMARY KEY,
    member  BIGINT NOT NULL,
    message BIGINT NOT NULL,
    asked   BIGINT NOT NULL, -- id of the held mail whose question this one waits for
    payload BYTEA NOT NULL,  -- delivery.Outgoing as JSON
    created BIGINT NOT NULL
);
CREATE INDEX outgoing_held_member ON outgoing_held (member, asked);
CREATE INDEX outgoing_held_message ON outgoing_held (message);

CREATE TABLE body (
    account BIGINT NOT NULL,
    sha256  TEXT NOT NULL, -- hex, of the decoded octets
    size    BIGINT NOT NULL,
    blob    BIGINT NOT NULL,
    PRIMARY KEY (account, sha256, size)
);
CREATE INDEX body_blob ON body (blob);

-- +goose Down
DROP TABLE body;
DROP TABLE outgoing_held;
ALTER TABLE member DROP COLUMN outgoing_limit;
ALTER TABLE member DROP COLUMN outgoing;
