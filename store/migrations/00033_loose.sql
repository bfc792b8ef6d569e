-- Files that a member's program has uploaded and nothing has named yet.

-- +goose Up
CREATE TABLE loose (
    id         BIGINT PRIMARY KEY,
    account    BIGINT NOT NULL, -- in which it may be used
    member     BIGINT NOT NULL, -- who uploaded it, and alone sees it
    media_type TEXT NOT NULL,
    size       BIGINT NOT NULL,
    blob       BIGINT NOT NULL,
    created    BIGINT NOT NULL
);
CREATE INDEX loose_member ON loose (member);
CREATE INDEX loose_blob ON loose (blob);
CREATE INDEX loose_created ON loose (created);

-- +goose Down
DROP TABLE loose;
