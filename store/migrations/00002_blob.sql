-- Bytes: written by store/blob only.

-- +goose Up
CREATE TABLE blob (
    id      BIGINT PRIMARY KEY,
    size    BIGINT NOT NULL, -- of the clear bytes
    key     BYTEA NOT NULL,  -- the data key, wrapped by the master key
    master  BIGINT NOT NULL, -- version of the master key that wrapped it
    inline  BYTEA,           -- sealed bytes of a small blob; NULL: in the backend
    created BIGINT NOT NULL
);

-- +goose Down
DROP TABLE blob;
