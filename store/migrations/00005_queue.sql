-- Work to do later: written by store/queue only.

-- +goose Up
CREATE TABLE job (
    id       BIGINT PRIMARY KEY,
    kind     TEXT NOT NULL,
    lane     TEXT NOT NULL,   -- what must not crowd out the rest: a destination domain, a member
    key      TEXT,            -- at most one job of this kind and key, now or in the past 30 days
    payload  BYTEA NOT NULL,
    message  BIGINT,          -- the message it needs, so that nobody sweeps it
    due      BIGINT NOT NULL,
    created  BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    lease    BIGINT NOT NULL, -- fencing token, 0 when free
    leased   BIGINT NOT NULL, -- until when
    held     BIGINT NOT NULL, -- 1: waits for an operator
    done     BIGINT NOT NULL, -- when it ended, 0 while it lives
    reason   TEXT NOT NULL    -- of the last snooze or discard, for the operator
);
CREATE UNIQUE INDEX job_key ON job (kind, key);
CREATE INDEX job_due ON job (kind, due) WHERE done = 0;
CREATE INDEX job_message ON job (message);

-- +goose Down
DROP TABLE job;
