-- What people are told again and again, and how often they want to hear it:
-- written by workflow/notify.

-- +goose Up
-- What a member chose for a kind of news; no row is the default (workflow/notify/choice.go).
CREATE TABLE notify_choice (
    member BIGINT NOT NULL,
    kind   TEXT NOT NULL,
    choice TEXT NOT NULL, -- now, daily, never
    PRIMARY KEY (member, kind)
);

-- A piece of news: its words are kept only while it waits for its digest.
CREATE TABLE notify_note (
    id          BIGINT PRIMARY KEY,
    kind        TEXT NOT NULL,
    key         TEXT NOT NULL,   -- told once for kind, key and recipient
    recipient   TEXT NOT NULL,   -- the address, folded
    bundle      TEXT NOT NULL,   -- the digest it waits in or went with; '' was sent by itself
    member      BIGINT NOT NULL, -- 0: a guest
    link        BIGINT NOT NULL, -- the recipient's own link to the thing, 0 none
    address     TEXT NOT NULL,
    name        TEXT NOT NULL,
    lang        TEXT NOT NULL,
    sender      TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    line        TEXT NOT NULL,
    letter      TEXT NOT NULL,   -- JSON
    notice      TEXT NOT NULL,   -- how a reply names the mail that told it; '' not yet
    created     BIGINT NOT NULL,
    told        BIGINT NOT NULL  -- when, 0 while it waits
);
CREATE UNIQUE INDEX notify_note_once ON notify_note (kind, key, recipient);
CREATE INDEX notify_note_bundle ON notify_note (bundle, id) WHERE told = 0;
CREATE INDEX notify_note_thing ON notify_note (link, told);
CREATE INDEX notify_note_notice ON notify_note (notice);
CREATE INDEX notify_note_told ON notify_note (told);

-- The digest of one person, or of a guest and one thing.
CREATE TABLE notify_digest (
    bundle TEXT PRIMARY KEY,
    due    BIGINT NOT NULL, -- when it goes, 0 when nothing waits
    sent   BIGINT NOT NULL  -- the last one, 0 never
);

-- How full an account was when its member was last told: 80, 95; no row: less.
CREATE TABLE notify_quota (
    account BIGINT PRIMARY KEY,
    level   BIGINT NOT NULL
);

-- Where a member signs in from: a keyed hash of network and way, never an address.
CREATE TABLE notify_place (
    member BIGINT NOT NULL,
    place  BYTEA NOT NULL,
    seen   BIGINT NOT NULL,
    PRIMARY KEY (member, place)
);

-- +goose Down
DROP TABLE notify_place;
DROP TABLE notify_quota;
DROP TABLE notify_digest;
DROP TABLE notify_note;
DROP TABLE notify_choice;
