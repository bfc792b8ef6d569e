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
    lease    BIGINT NOT NULL, -- fencing token of the worker that has it, 0 when free
    next     BIGINT NOT NULL, -- when a worker may take it: due, or the end of the lease
    held     BIGINT NOT NULL, -- 1: waits for an operator
    done     BIGINT NOT NULL, -- when it ended, 0 while it lives
    reason   TEXT NOT NULL    -- of the last snooze or discard, for the operator
);
CREATE UNIQUE INDEX job_key ON job (kind, key) WHERE key IS NOT NULL;
-- lane is in it so that passing over the jobs of a full lane reads no rows.
CREATE INDEX job_next ON job (kind, next, lane) WHERE done = 0 AND held = 0;
CREATE INDEX job_message ON job (message) WHERE message IS NOT NULL;
CREATE INDEX job_done ON job (done) WHERE done <> 0;

-- +goose Down
DROP TABLE job;
