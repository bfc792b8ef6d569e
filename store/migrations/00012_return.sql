-- Return paths of forwarded mail whose sender's address is too long to be
-- written into one of ours: written by package delivery only.

-- +goose Up
CREATE TABLE return_path (
    token   TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    at      BIGINT NOT NULL
);

-- +goose Down
DROP TABLE return_path;
