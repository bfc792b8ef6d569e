-- What was sent: written by store/message only.

-- +goose Up
CREATE TABLE message (
    id      BIGINT PRIMARY KEY,
    size    BIGINT NOT NULL,
    blob    BIGINT,       -- the whole message in one blob; NULL: see segment
    summary BYTEA NOT NULL, -- mail.Summary as JSON
    created BIGINT NOT NULL
);
CREATE INDEX message_blob ON message (blob);
-- A message in pieces: literal bytes of a blob, or its base64 lines.
CREATE TABLE segment (
    message BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    kind    BIGINT NOT NULL, -- 0 as it is, 1 base64 in 76-column lines
    blob    BIGINT NOT NULL,
    start   BIGINT NOT NULL, -- within the blob
    length  BIGINT NOT NULL, -- of the blob's bytes
    PRIMARY KEY (message, seq)
);
CREATE INDEX segment_blob ON segment (blob);

-- +goose Down
DROP TABLE segment;
DROP TABLE message;
