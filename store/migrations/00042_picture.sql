-- Whose pictures from elsewhere a member always wants to see.

-- +goose Up
CREATE TABLE picture_sender (
    member  BIGINT NOT NULL,
    sender  TEXT NOT NULL,   -- key of the author's address
    created BIGINT NOT NULL,
    PRIMARY KEY (member, sender)
);

-- +goose Down
DROP TABLE picture_sender;
