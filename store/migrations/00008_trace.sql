-- What became of each mail, for 30 days: written by package delivery only.

-- +goose Up
-- One row for a mail's way in, one for each later event. Every mail of the host
-- pays for the first, so no index has it: addresses are found by reading, and
-- rows lie in the order of time.
CREATE TABLE trace (
    id     BIGINT PRIMARY KEY,
    mail   TEXT NOT NULL,   -- our id of it
    at     BIGINT NOT NULL,
    event  TEXT NOT NULL,   -- delivery.Accepted, …
    detail TEXT NOT NULL    -- delivery.Event as JSON, with addresses as keys
);
CREATE INDEX trace_later ON trace (mail) WHERE event <> 'accepted';

-- +goose Down
DROP TABLE trace;
