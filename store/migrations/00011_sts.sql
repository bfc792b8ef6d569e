-- MTA-STS policies of other domains (RFC 8461 §3.3): written by package
-- smtp/relay/secure only. A restart must not forget them: whoever can keep us
-- from fetching one again would be rid of it.

-- +goose Up
CREATE TABLE sts_policy (
    domain  TEXT PRIMARY KEY,
    id      TEXT NOT NULL,   -- of the TXT record when it was fetched
    policy  TEXT NOT NULL,
    due     BIGINT NOT NULL, -- when it is fetched again though the id is the same
    expires BIGINT NOT NULL
);
CREATE INDEX sts_policy_expires ON sts_policy (expires);

-- +goose Down
DROP TABLE sts_policy;
