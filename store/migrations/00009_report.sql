-- Reports about proof of origin and transport: what others say about our
-- domains, and what we count to tell others. Written by package dkim/report only.

-- +goose Up
-- One row for each aggregate report that was taken in. home is the domain of
-- ours, domain the one reported on: home or below it.
CREATE TABLE report_taken (
    id       BIGINT PRIMARY KEY,
    kind     TEXT NOT NULL,   -- dmarc, tls
    home     TEXT NOT NULL,
    domain   TEXT NOT NULL,
    reporter TEXT NOT NULL,   -- the domain the mail is from
    org      TEXT NOT NULL,   -- as it calls itself
    report   TEXT NOT NULL,   -- a hash of its id
    proven   BIGINT NOT NULL, -- 1: the mail is proven to be the reporter's
    day      BIGINT NOT NULL, -- days since 1970
    taken    BIGINT NOT NULL,
    policy   TEXT NOT NULL,   -- as the reporter saw it
    size     BIGINT NOT NULL  -- rows
);
CREATE UNIQUE INDEX report_taken_once ON report_taken (kind, domain, reporter, report, proven);
CREATE INDEX report_taken_home ON report_taken (home, taken);
CREATE INDEX report_taken_old ON report_taken (taken);

CREATE TABLE report_row (
    id          BIGINT PRIMARY KEY,
    taken       BIGINT NOT NULL, -- report_taken.id
    home        TEXT NOT NULL,
    domain      TEXT NOT NULL,
    day         BIGINT NOT NULL,
    proven      BIGINT NOT NULL,
    source      TEXT NOT NULL,   -- an IP address; '' is all those beyond the bound
    disposition TEXT NOT NULL,
    dkim        BIGINT NOT NULL, -- 1: passes and is aligned
    spf         BIGINT NOT NULL,
    reason      TEXT NOT NULL,
    header_from TEXT NOT NULL,
    spf_domain  TEXT NOT NULL,
    spf_result  TEXT NOT NULL,
    dkim_domain TEXT NOT NULL,
    dkim_result TEXT NOT NULL,
    count       BIGINT NOT NULL
);
CREATE INDEX report_row_home ON report_row (home, day);
CREATE INDEX report_row_taken ON report_row (taken);

CREATE TABLE report_tls (
    id     BIGINT PRIMARY KEY,
    taken  BIGINT NOT NULL,
    home   TEXT NOT NULL,
    domain TEXT NOT NULL,
    day    BIGINT NOT NULL,
    proven BIGINT NOT NULL,
    policy TEXT NOT NULL,   -- sts, tlsa, no-policy-found
    result TEXT NOT NULL,   -- '' is success
    host   TEXT NOT NULL,   -- our mail exchanger
    reason TEXT NOT NULL,
    count  BIGINT NOT NULL
);
CREATE INDEX report_tls_home ON report_tls (home, day);
CREATE INDEX report_tls_taken ON report_tls (taken);

-- Single mails that failed: the newest of each domain.
CREATE TABLE report_failure (
    id       BIGINT PRIMARY KEY,
    home     TEXT NOT NULL,
    domain   TEXT NOT NULL,
    reporter TEXT NOT NULL,
    proven   BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    taken    BIGINT NOT NULL,
    source   TEXT NOT NULL,
    failure  TEXT NOT NULL,
    result   TEXT NOT NULL
);
CREATE INDEX report_failure_home ON report_failure (home, id);

-- What we saw and will report: one row for each different thing of a day.
CREATE TABLE report_seen (
    kind   TEXT NOT NULL,   -- dmarc, tls
    day    BIGINT NOT NULL,
    domain TEXT NOT NULL,   -- to which it will be reported
    hash   TEXT NOT NULL,   -- of detail
    detail TEXT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (kind, day, domain, hash)
);

-- One report that is owed, and what became of it.
CREATE TABLE report_day (
    kind    TEXT NOT NULL,
    day     BIGINT NOT NULL,
    domain  TEXT NOT NULL,
    policy  TEXT NOT NULL,   -- the last one seen
    size    BIGINT NOT NULL, -- rows of report_seen
    lost    BIGINT NOT NULL, -- beyond the bounds
    claimed BIGINT NOT NULL, -- who sends it began then
    sent    TEXT NOT NULL,   -- destinations that have it, in lines
    done    BIGINT NOT NULL,
    PRIMARY KEY (kind, day, domain)
);

-- +goose Down
DROP TABLE report_day;
DROP TABLE report_seen;
DROP TABLE report_failure;
DROP TABLE report_tls;
DROP TABLE report_row;
DROP TABLE report_taken;
