-- What mail programs ask about every mail of a mailbox: written by store/message only.

-- +goose Up
-- Beside the message, so that listing a mailbox reads nothing else.
CREATE TABLE card (
    message BIGINT PRIMARY KEY,
    card    BYTEA NOT NULL -- mail.Card
);

-- +goose Down
DROP TABLE card;
