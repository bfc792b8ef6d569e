-- What those who run the host decided, and what they did.

-- +goose Up
CREATE TABLE site (
    key     TEXT PRIMARY KEY,
    value   TEXT NOT NULL,
    changed BIGINT NOT NULL
);

CREATE TABLE admin_act (
    id    BIGINT PRIMARY KEY,
    at    BIGINT NOT NULL,
    who   TEXT NOT NULL, -- their address: it stays readable when they are gone
    what  TEXT NOT NULL, -- a word of package office
    about TEXT NOT NULL  -- whom or what it was done to; '' nothing in particular
);
CREATE INDEX admin_act_at ON admin_act (at);

-- Providers that keep our mail out; one that has not said so for a day counts no
-- more.
CREATE TABLE refusing (
    who    TEXT NOT NULL, -- the provider, or the server where that is not known
    scope  TEXT NOT NULL, -- "ip", "domain", "auth"
    since  BIGINT NOT NULL,
    last   BIGINT NOT NULL,
    server TEXT NOT NULL,
    form   TEXT NOT NULL, -- where to ask to be let in again
    PRIMARY KEY (who, scope)
);

-- +goose Down
DROP TABLE refusing;
DROP TABLE admin_act;
DROP TABLE site;
