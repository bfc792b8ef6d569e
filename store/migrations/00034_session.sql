-- Who is signed in on the web.

-- +goose Up
CREATE TABLE web_session (
    id      BIGINT PRIMARY KEY,
    hash    BYTEA NOT NULL,  -- SHA-256 of the cookie
    member  BIGINT NOT NULL,
    stamp   BYTEA NOT NULL,  -- of the password that it was opened with; another password ends it
    created BIGINT NOT NULL,
    seen    BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    kept    BIGINT NOT NULL, -- 1: the member wants to stay signed in
    agent   TEXT NOT NULL,   -- "Firefox, Windows"
    network TEXT NOT NULL    -- the address it was last seen at
);
CREATE UNIQUE INDEX web_session_hash ON web_session (hash);
CREATE INDEX web_session_member ON web_session (member);
CREATE INDEX web_session_expires ON web_session (expires);

-- +goose Down
DROP TABLE web_session;
